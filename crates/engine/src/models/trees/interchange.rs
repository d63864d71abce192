//! Trees in XGBoost's JSON model format, brought into the form that we serve and keep.
//!
//! Owns: the order of nodes, the way of categories without evidence, and tests of statistics as tests of categories.
//! Invariant: what is kept is what is served; any reader of the format predicts the same from the file and a row of
//! the view. Deliberately absent: the library that boosts.
//!
//! Three things are set right. A tree's nodes are put in the order of XGBoost's own files, children side by side and
//! left before right: XGBoost 3.2 ends the process on some deep trees in another order. Where a test divides
//! categories, those that training did not see go where most examples went, not where chance put them; categories
//! that were merged into "other" for training go where "other" goes. And as a served statistic is a function of the
//! category, a test of it becomes the test of the categories for which it holds: the files know the columns of the
//! view only, and what a statistic says is said by its column.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Lists of a tree with one entry per node.
const PER_NODE: [&str; 7] =
    ["base_weights", "default_left", "loss_changes", "split_conditions", "split_indices", "split_type", "sum_hessian"];
/// Parent of the root.
const NO_PARENT: i64 = i32::MAX as i64;

/// What training saw of a column's categories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Categories {
    /// Codes that go where "other" (0) goes, 0 included; ascending.
    pub(super) merged: Vec<u32>,
    /// Whether training held an example of "other".
    pub(super) other_seen: bool,
}

impl Categories {
    /// Whether a code goes where "other" goes.
    pub(super) fn is_merged(&self, code: u32) -> bool {
        self.merged.binary_search(&code).is_ok()
    }
}

/// A column of the table that was boosted: those of the view, then statistics of some of them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Boosted {
    /// A number.
    Number,
    /// A category.
    Category(Categories),
    /// What is known of the targets of a column's categories.
    Statistic {
        /// The column of the view.
        of: usize,
        /// The statistic of each code.
        of_codes: Vec<f32>,
    },
}

/// Brings a model into our form; `None` where it is not a model in this format.
pub(super) fn settle(model: &mut Value, columns: &[Boosted]) -> Option<()> {
    let width = columns.iter().filter(|column| !matches!(column, Boosted::Statistic { .. })).count().to_string();
    *model.pointer_mut("/learner/learner_model_param/num_feature")? = width.clone().into();
    let trees = model.pointer_mut("/learner/gradient_booster/model/trees")?.as_array_mut()?;
    for tree in trees {
        let mut settled = settle_tree(tree.as_object()?, columns)?;
        *settled.get_mut("tree_param")?.get_mut("num_feature")? = width.clone().into();
        *tree = Value::Object(settled);
    }
    Some(())
}

fn settle_tree(tree: &Map<String, Value>, columns: &[Boosted]) -> Option<Map<String, Value>> {
    let mut tree = tree.clone();
    let of_statistics = name_columns(&mut tree, columns)?;
    let left = integers(&tree, "left_children")?;
    let right = integers(&tree, "right_children")?;
    let (order, place, parents) = breadth_first(&left, &right)?;
    let moved = |children: &[i64]| -> Vec<i64> {
        order.iter().map(|&node| usize::try_from(children[node]).map_or(-1, |child| place[child])).collect()
    };
    let mut settled = tree.clone();
    settled.insert("left_children".to_owned(), moved(&left).into());
    settled.insert("right_children".to_owned(), moved(&right).into());
    settled.insert("parents".to_owned(), parents.into());
    for name in PER_NODE {
        let list = tree.get(name)?.as_array()?;
        let moved: Option<Vec<Value>> = order.iter().map(|&node| list.get(node).cloned()).collect();
        settled.insert(name.to_owned(), moved?.into());
    }
    let mut sets = sets(&tree, columns, &left, &right)?;
    sets.extend(of_statistics);
    let (mut nodes, mut starts, mut sizes, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (new, &node) in order.iter().enumerate() {
        if let Some(set) = sets.get(&node) {
            nodes.push(new as i64);
            starts.push(all.len() as i64);
            sizes.push(set.len() as i64);
            all.extend(set);
        }
    }
    for (name, list) in
        [("categories_nodes", nodes), ("categories_segments", starts), ("categories_sizes", sizes), ("categories", all)]
    {
        settled.insert(name.to_owned(), list.into());
    }
    Some(settled)
}

/// Old ids in the new order, the new id of each old one, and the parents in the new order.
fn breadth_first(left: &[i64], right: &[i64]) -> Option<(Vec<usize>, Vec<i64>, Vec<i64>)> {
    let mut order = vec![0];
    let mut place = vec![0; left.len()];
    let mut parents = vec![NO_PARENT];
    let mut next = 0;
    while next < order.len() {
        let node = order[next];
        if *left.get(node)? != -1 {
            for child in [left[node], *right.get(node)?] {
                let child = usize::try_from(child).ok().filter(|&child| child < left.len())?;
                place[child] = order.len() as i64;
                order.push(child);
                parents.push(next as i64);
            }
        }
        next += 1;
    }
    (order.len() == left.len()).then_some((order, place, parents))
}

/// Turns tests of statistics into tests of the columns that they are of; gives the categories that each sends right.
fn name_columns(tree: &mut Map<String, Value>, columns: &[Boosted]) -> Option<BTreeMap<usize, BTreeSet<i64>>> {
    let left = integers(tree, "left_children")?;
    let split = integers(tree, "split_indices")?;
    let mut sets = BTreeMap::new();
    for (node, (&column, _)) in split.iter().zip(&left).enumerate().filter(|(_, (_, left))| **left != -1) {
        let Boosted::Statistic { of, of_codes } = columns.get(usize::try_from(column).ok()?)? else { continue };
        let threshold = tree.get("split_conditions")?.get(node)?.as_f64()? as f32;
        let mut set: BTreeSet<i64> =
            (0..).zip(of_codes).filter(|&(_, &value)| value >= threshold).map(|(code, _)| code).collect();
        if set.is_empty() {
            // The format knows no empty set; this code is of no category.
            set.insert(of_codes.len() as i64);
        }
        sets.insert(node, set);
        let tests: [(&str, Value); 3] =
            [("split_indices", (*of).into()), ("split_type", 1.into()), ("split_conditions", 0.0.into())];
        for (list, value) in tests {
            *tree.get_mut(list)?.get_mut(node)? = value;
        }
    }
    Some(sets)
}

/// The categories that each test by category sends right.
fn sets(
    tree: &Map<String, Value>,
    columns: &[Boosted],
    left: &[i64],
    right: &[i64],
) -> Option<BTreeMap<usize, BTreeSet<i64>>> {
    let nodes = integers(tree, "categories_nodes")?;
    let starts = integers(tree, "categories_segments")?;
    let sizes = integers(tree, "categories_sizes")?;
    let all = integers(tree, "categories")?;
    let split = integers(tree, "split_indices")?;
    let cover = tree.get("sum_hessian")?.as_array()?;
    let cover = |node: i64| cover.get(usize::try_from(node).ok()?)?.as_f64();
    let mut sets = BTreeMap::new();
    for ((&node, &start), &size) in nodes.iter().zip(&starts).zip(&sizes) {
        let (node, start, size) =
            (usize::try_from(node).ok()?, usize::try_from(start).ok()?, usize::try_from(size).ok()?);
        let mut set: BTreeSet<i64> = all.get(start..start.checked_add(size)?)?.iter().copied().collect();
        let (left, right) = (*left.get(node)?, *right.get(node)?);
        if left != -1 {
            let Boosted::Category(column) = columns.get(usize::try_from(*split.get(node)?).ok()?)? else {
                return None;
            };
            let goes_right = if column.other_seen { set.contains(&0) } else { cover(right)? > cover(left)? };
            let mut routed = set.clone();
            for &code in &column.merged {
                if goes_right {
                    routed.insert(i64::from(code))
                } else {
                    routed.remove(&i64::from(code))
                };
            }
            // The format knows no empty set; a test of nothing else than unseen categories stays as it is.
            if !routed.is_empty() {
                set = routed;
            }
        }
        sets.insert(node, set);
    }
    Some(sets)
}

fn integers(tree: &Map<String, Value>, name: &str) -> Option<Vec<i64>> {
    tree.get(name)?.as_array()?.iter().map(Value::as_i64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model(categories: &[u32]) -> Value {
        json!({"learner": {"learner_model_param": {"num_feature": "1"}, "gradient_booster": {"model": {"trees": [{
            "tree_param": {"num_feature": "1"},
            "left_children": [2, -1, -1], "right_children": [1, -1, -1], "parents": [NO_PARENT, 0, 0],
            "base_weights": [0.0, 1.0, 2.0], "default_left": [0, 0, 0], "loss_changes": [5.0, 0.0, 0.0],
            "split_conditions": [0.0, 1.0, 2.0], "split_indices": [0, 0, 0], "split_type": [1, 0, 0],
            "sum_hessian": [10.0, 3.0, 7.0], "categories": categories, "categories_nodes": [0],
            "categories_segments": [0], "categories_sizes": [categories.len()],
        }]}}}})
    }

    fn settled(categories: &[u32], column: Categories) -> Value {
        let mut model = model(categories);
        settle(&mut model, &[Boosted::Category(column)]).unwrap();
        model["learner"]["gradient_booster"]["model"]["trees"][0].clone()
    }

    #[test]
    fn children_stand_side_by_side() {
        let tree = settled(&[1], Categories::default());
        assert_eq!(tree["left_children"], json!([1, -1, -1]));
        assert_eq!(tree["right_children"], json!([2, -1, -1]));
        assert_eq!(tree["split_conditions"], json!([0.0, 2.0, 1.0]));
        assert_eq!(tree["parents"], json!([NO_PARENT, 0, 0]));
    }

    #[test]
    fn unseen_categories_follow_the_majority() {
        // Left holds 7 of 10.
        let column = Categories { merged: vec![0, 4], other_seen: false };
        assert_eq!(settled(&[0, 1, 4], column)["categories"], json!([1]));
    }

    #[test]
    fn merged_categories_follow_other() {
        let column = || Categories { merged: vec![0, 4], other_seen: true };
        assert_eq!(settled(&[0, 1], column())["categories"], json!([0, 1, 4]));
        assert_eq!(settled(&[1, 4], column())["categories"], json!([1]));
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert_eq!(settle(&mut json!({}), &[]), None);
        let mut broken = model(&[1]);
        broken["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"] = json!([9, -1, -1]);
        assert_eq!(settle(&mut broken, &[Boosted::Category(Categories::default())]), None);
    }
}
