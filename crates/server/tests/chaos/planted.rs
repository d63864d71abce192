//! The checker's own test: bugs planted in what is really there, each caught by the rule that it breaks.

use crate::{
    checker::{Rule, check},
    end_state::{EndState, Scored},
    load::Load,
    recording::{Observation, Recording},
    support::arg,
    world::World,
};

/// What the bug would leave behind.
enum Traces {
    /// Changes to the database, in which `early` is what it was before.
    Rows(&'static str),
    /// The same, to what can be told only from what was seen.
    RowsOf(fn(&Recording, &EndState) -> String),
    /// What readers and senders would have been told.
    Seen(fn(&mut Recording, &EndState)),
}

use Traces::{Rows, RowsOf, Seen};

const BUGS: [(&str, Rule, Traces); 20] = [
    (
        "the position is committed before the rows, which are lost",
        Rule::Lost,
        Rows(
            "DELETE FROM lead_interactions WHERE id = (SELECT MIN(id) FROM lead_interactions WHERE interaction_type = 'email')",
        ),
    ),
    ("events are acknowledged before they are committed", Rule::Lost, Rows(UNDONE)),
    (
        "a dead letter is lost",
        Rule::Lost,
        Rows("DELETE FROM dead_letters WHERE id = (SELECT MIN(id) FROM dead_letters)"),
    ),
    ("the conflict clause is missing", Rule::OneEffect, Rows(TWICE)),
    (
        "an event that was set aside is applied all the same",
        Rule::OneEffect,
        Rows(
            "INSERT INTO dead_letters (id, origin, event_id, reason, tries, recorded_at) \
             SELECT randomblob(16), 'api', id, 'late', 1, received_at FROM lead_interactions \
             WHERE interaction_type = 'email' LIMIT 1",
        ),
    ),
    (
        "a duplicate is accepted as new",
        Rule::Balance,
        Seen(|seen, _| {
            let sent = seen.events.values_mut().find(|sent| sent.duplicates > 0 && sent.unsure == 0).unwrap();
            (sent.accepted, sent.duplicates) = (sent.accepted + 1, sent.duplicates - 1);
        }),
    ),
    ("a state lacks its last events", Rule::Replay, Rows(STALE)),
    (
        "a score is calculated from another state",
        Rule::Replay,
        Rows(
            "UPDATE lead_scores SET probability = probability / 2 WHERE id = (SELECT MIN(score_id) FROM latest_scores)",
        ),
    ),
    (
        "scores are published before they are committed",
        Rule::Uncommitted,
        RowsOf(|seen, end| {
            let shown = |scored: &&Scored| {
                let told = |one: &Observation| (&one.lead, one.calculated_us) == (&scored.lead, scored.calculated_us);
                seen.observations.iter().any(told)
            };
            let passed = |scored: &&Scored| !end.latest.values().any(|latest| *latest == scored.id);
            let lost = end.history.iter().filter(passed).find(shown).unwrap();
            format!("DELETE FROM lead_scores WHERE id = X'{}'", lost.id)
        }),
    ),
    (
        "a cache goes back to an older score",
        Rule::Backwards,
        Seen(|seen, end| {
            let newest =
                seen.observations.iter().rev().find(|one| oldest(end, &one.lead).calculated_us < one.calculated_us);
            let Observation { reader, lead, .. } = newest.unwrap().clone();
            let Scored { score, calculated_us, .. } = *oldest(end, &lead);
            seen.observations.push(Observation { reader, lead, score, calculated_us });
        }),
    ),
    (
        "an older score replaces the latest one",
        Rule::Latest,
        Rows(
            "UPDATE latest_scores SET score_id = (SELECT s.id FROM lead_scores s WHERE s.lead_id = latest_scores.lead_id \
             ORDER BY s.log_position LIMIT 1) WHERE lead_id = (SELECT lead_id FROM lead_scores GROUP BY lead_id \
             HAVING MIN(log_position) < MAX(log_position) AND lead_id IN (SELECT lead_id FROM latest_scores) LIMIT 1)",
        ),
    ),
    (
        "a score names another model",
        Rule::Model,
        Rows("UPDATE lead_scores SET model_version = 'v9' WHERE id = (SELECT MIN(id) FROM lead_scores)"),
    ),
    (
        "a position runs ahead of the log",
        Rule::Position,
        Rows(
            "UPDATE group_positions SET position = position + 3 WHERE partition = (SELECT MIN(partition) FROM log_heads)",
        ),
    ),
    (
        "a partition is left behind",
        Rule::Position,
        Rows(
            "UPDATE group_positions SET position = position - 1 WHERE partition = (SELECT MIN(partition) FROM log_heads)",
        ),
    ),
    (
        "two leads that are one stay two",
        Rule::Merged,
        Rows(
            "UPDATE leads SET merged_into = NULL WHERE id = (SELECT MIN(id) FROM leads WHERE merged_into IS NOT NULL)",
        ),
    ),
    (
        "an absorbed lead keeps its score",
        Rule::Merged,
        Rows(
            "INSERT INTO latest_scores SELECT l.id, s.id, s.log_position, s.calculated_at, s.expires_at \
             FROM leads l, lead_scores s WHERE l.merged_into IS NOT NULL LIMIT 1",
        ),
    ),
    (
        "a merge is not written to the log",
        Rule::Merged,
        Rows(
            "DELETE FROM lead_interactions WHERE id = (SELECT MIN(id) FROM lead_interactions WHERE interaction_type = 'lead_merged')",
        ),
    ),
    (
        "a withdrawal does not take the score back",
        Rule::Withheld,
        Rows(
            "INSERT INTO latest_scores SELECT t.lead_id, s.id, s.log_position, s.calculated_at, s.expires_at \
             FROM lead_states t, lead_scores s WHERE t.lead_id NOT IN (SELECT lead_id FROM latest_scores) LIMIT 1",
        ),
    ),
    (
        "a lead is never scored",
        Rule::Withheld,
        Rows("DELETE FROM latest_scores WHERE lead_id = (SELECT MIN(lead_id) FROM latest_scores)"),
    ),
    (
        "the outbox is never sent",
        Rule::Outbox,
        Rows("CREATE TABLE outbox (id BLOB); INSERT INTO outbox VALUES (X'07')"),
    ),
];

/// The last event of a partition, with all that it led to.
const UNDONE: &str = "
    CREATE TEMP TABLE undone AS SELECT partition, position FROM lead_interactions i
        WHERE interaction_type <> 'lead_merged'
        AND position = (SELECT MAX(position) FROM lead_interactions WHERE partition = i.partition) LIMIT 1;
    DELETE FROM lead_interactions WHERE (partition, position) IN (SELECT partition, position FROM undone);
    UPDATE log_heads SET head = head - 1 WHERE partition IN (SELECT partition FROM undone);
    UPDATE group_positions SET position = position - 1 WHERE partition IN (SELECT partition FROM undone);";

/// The same event at the next position.
const TWICE: &str = "
    DROP INDEX events_id;
    CREATE TEMP TABLE again AS SELECT * FROM lead_interactions WHERE interaction_type = 'email' LIMIT 1;
    UPDATE log_heads SET head = head + 1 WHERE partition = (SELECT partition FROM again);
    UPDATE group_positions SET position = position + 1 WHERE partition = (SELECT partition FROM again);
    UPDATE again SET position = (SELECT head FROM log_heads h WHERE h.partition = again.partition);
    INSERT INTO lead_interactions SELECT * FROM again;";

/// A state as it was, at the position where it should be another.
const STALE: &str = "
    UPDATE lead_states SET state = (SELECT e.state FROM early.lead_states e WHERE e.lead_id = lead_states.lead_id)
    WHERE lead_id = (SELECT e.lead_id FROM early.lead_states e JOIN lead_states s ON s.lead_id = e.lead_id
                     WHERE e.log_position < s.log_position LIMIT 1);";

fn oldest<'e>(end: &'e EndState, lead: &str) -> &'e Scored {
    let scores = end.history.iter().filter(|scored| scored.lead == lead);
    scores.min_by_key(|scored| (scored.position, scored.calculated_us)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_finds_each_planted_bug_and_nothing_where_there_is_none() {
    let world = World::embedded();
    let server = world.serve();
    let load = Load::start(world.client(&server), world.start());
    load.acknowledged(250).await;
    let early = world.folder.path("early.db");
    change(&world, &format!("VACUUM INTO '{}'", arg(&early)));
    load.acknowledged(250).await;
    let recording = load.finish().await;
    server.ready().await;
    assert!(server.terminate().success());
    let end = world.end_state().await;
    let (violations, _) = check(&recording, &end);
    assert!(violations.is_empty(), "nothing is planted yet: {violations:?}");

    for (bug, rule, traces) in BUGS {
        let (copy, mut seen) = (world.copied(), recording.clone());
        let sql = match traces {
            Rows(sql) => sql.to_owned(),
            RowsOf(sql) => sql(&recording, &end),
            Seen(alter) => {
                alter(&mut seen, &end);
                String::new()
            }
        };
        change(&copy, &format!("ATTACH '{}' AS early; {sql}", arg(&early)));
        let (violations, _) = check(&seen, &copy.end_state().await);
        assert!(violations.iter().any(|violation| violation.rule == rule), "{bug}: {rule:?} not in {violations:?}");
    }
    the_checker_finds_what_the_topic_of_scores_was_not_told(&recording, end);
}

/// The topic is Kafka's; what it says is made up here of what the database holds.
fn the_checker_finds_what_the_topic_of_scores_was_not_told(recording: &Recording, mut end: EndState) {
    end.kafka = true;
    let calculated = |id: &String| end.history.iter().find(|scored| scored.id == *id).unwrap().calculated_us;
    end.told = end.latest.iter().map(|(lead, score)| (lead.clone(), Some(calculated(score)))).collect();
    let wrong = |end: &EndState| check(recording, end).0.iter().any(|violation| violation.rule == Rule::Told);
    assert!(!wrong(&end));
    let lead = end.told.keys().next().unwrap().clone();
    for said in [Some(1), None] {
        let right = end.told.insert(lead.clone(), said).unwrap();
        assert!(wrong(&end), "{said:?} was said last");
        end.untold.insert(lead.clone());
        assert!(!wrong(&end), "it is listed");
        end.untold.clear();
        end.told.insert(lead.clone(), right);
    }
}

/// Changes the database as no release does.
fn change(world: &World, sql: &str) {
    let file = world.folder.data().join("leadscore.db");
    let conn = rusqlite::Connection::open(file).unwrap();
    conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}
