//! The columns of an example in Parquet, and how examples become row groups.
//!
//! Owns: names and types. Invariant: every file of an export has the same columns in the same order. Deliberately
//! absent: Arrow; the low-level writer needs values and definition levels only.

use std::{io::Write, sync::Arc};

use leadscore_domain::Timestamp;
use leadscore_engine::features::{ColumnKind, FeatureView, OTHER};
use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type},
    errors::ParquetError,
    file::writer::{SerializedColumnWriter, SerializedFileWriter},
    schema::types::{Type, TypePtr},
};

/// A column that is no input of a model.
pub(super) struct Own {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
}

/// The columns before those of the view.
pub(super) const OWN: [Own; 5] = [
    Own { name: "lead", meaning: "a pseudonym; examples of one lead must not be divided between training and test" },
    Own { name: "instant", meaning: "nothing that was received after it enters the inputs" },
    Own { name: "followed_seconds", meaning: "how much of the horizon after the instant is over" },
    Own { name: "converted_after_seconds", meaning: "when the lead converted, within what was followed; else missing" },
    Own { name: "label", meaning: "whether the lead converted within the horizon; missing while that is not over" },
];

/// One row.
pub(super) struct Example {
    pub(super) lead: String,
    pub(super) instant: Timestamp,
    pub(super) followed_s: f64,
    pub(super) converted_after_s: Option<f64>,
    pub(super) label: Option<bool>,
    /// As encoded by the view.
    pub(super) row: Vec<f32>,
}

/// The names and types of all columns, and the dictionaries of the categories.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) parquet: TypePtr,
    /// One entry per column of the view: categories by code where it has any.
    categories: Vec<Option<Vec<ByteArray>>>,
}

/// Columns of an export with this view.
pub(super) fn count(view: &FeatureView) -> usize {
    OWN.len() + view.width()
}

impl Schema {
    pub(super) fn new(view: &FeatureView) -> Self {
        let [lead, instant, followed, converted, label] = OWN.map(|own| own.name);
        let utc = LogicalType::timestamp(true, TimeUnit::MICROS);
        let mut fields = vec![
            field(lead, Physical::BYTE_ARRAY, Repetition::REQUIRED, Some(LogicalType::String)),
            field(instant, Physical::INT64, Repetition::REQUIRED, Some(utc)),
            field(followed, Physical::DOUBLE, Repetition::REQUIRED, None),
            field(converted, Physical::DOUBLE, Repetition::OPTIONAL, None),
            field(label, Physical::BOOLEAN, Repetition::OPTIONAL, None),
        ];
        fields.extend(view.columns().iter().map(|column| match column.kind {
            ColumnKind::Numeric => field(&column.name, Physical::FLOAT, Repetition::OPTIONAL, None),
            ColumnKind::Categorical { .. } => {
                field(&column.name, Physical::BYTE_ARRAY, Repetition::OPTIONAL, Some(LogicalType::String))
            }
        }));
        let built = Type::group_type_builder("example").with_fields(fields).build();
        let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        let of_column = |index| {
            let known = view.categories(index)?;
            Some([OTHER].into_iter().chain(known).map(text).collect())
        };
        Self {
            parquet: Arc::new(built.expect("a group of plain fields is well formed")),
            categories: (0..view.width()).map(of_column).collect(),
        }
    }

    /// Writes examples as one row group.
    pub(super) fn write<W: Write + Send>(
        &self,
        file: &mut SerializedFileWriter<W>,
        examples: &[Example],
    ) -> Result<(), ParquetError> {
        let mut group = file.next_row_group()?;
        let mut index = 0;
        while let Some(column) = group.next_column()? {
            self.write_column(column, index, examples)?;
            index += 1;
        }
        group.close().map(drop)
    }

    fn write_column(
        &self,
        column: SerializedColumnWriter<'_>,
        index: usize,
        examples: &[Example],
    ) -> Result<(), ParquetError> {
        let all = || examples.iter();
        let Some(of_view) = index.checked_sub(OWN.len()) else {
            return match index {
                0 => required::<ByteArrayType>(column, all().map(|one| one.lead.as_str().into())),
                1 => required::<Int64Type>(column, all().map(|one| one.instant.as_micros())),
                2 => required::<DoubleType>(column, all().map(|one| one.followed_s)),
                3 => optional::<DoubleType>(column, all().map(|one| one.converted_after_s)),
                _ => optional::<BoolType>(column, all().map(|one| one.label)),
            };
        };
        let values = all().map(|one| Some(one.row[of_view]).filter(|value| !value.is_nan()));
        match &self.categories[of_view] {
            None => optional::<FloatType>(column, values),
            Some(categories) => {
                optional::<ByteArrayType>(column, values.map(|code| Some(categories[code? as usize].clone())))
            }
        }
    }
}

fn field(name: &str, physical: Physical, repetition: Repetition, logical: Option<LogicalType>) -> TypePtr {
    let built = Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical);
    Arc::new(built.build().expect("the logical types suit the physical ones"))
}

fn required<T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    values: impl Iterator<Item = T::T>,
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(&values.collect::<Vec<_>>(), None, None)?;
    column.close()
}

/// Absent values have definition level 0 and stand in no list of values.
fn optional<T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    values: impl Iterator<Item = Option<T::T>> + Clone,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.clone().map(|value| i16::from(value.is_some())).collect();
    let present: Vec<T::T> = values.flatten().collect();
    column.typed::<T>().write_batch(&present, Some(&levels), None)?;
    column.close()
}
