//! The plots of a report as inline SVG.
//!
//! Owns: their drawing. Invariant: every colour is one of [`Ink`], which the page's style sheet maps to a light and a
//! dark one; text from data is escaped by the SVG backend. Plots are drawn at twice their size, since the backend
//! rounds to whole units.

use plotters::{
    backend::SVGBackend,
    chart::{ChartBuilder, ChartContext},
    coord::{Shift, types::RangedCoordf64},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea},
    element::{Circle, Rectangle, Text},
    prelude::{Cartesian2d, LineSeries},
    series::DashedLineSeries,
    style::{
        Color, IntoFont, RGBColor, TRANSPARENT, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    BacktestRow,
    backtest::Importance,
    curves::{BARS, Ranking, distribution},
    reliability::ReliabilityBin,
};

/// The colours of the plots; `report.css` gives each a light and a dark appearance.
pub(super) struct Ink;

impl Ink {
    pub(super) const TEXT: RGBColor = RGBColor(0x33, 0x3A, 0x45);
    pub(super) const AXIS: RGBColor = RGBColor(0x8A, 0x93, 0xA1);
    pub(super) const GRID: RGBColor = RGBColor(0xE6, 0xE9, 0xEE);
    pub(super) const MODEL: RGBColor = RGBColor(0x1D, 0x5F, 0xD0);
    pub(super) const LOGISTIC: RGBColor = RGBColor(0xC2, 0x5A, 0x0F);
    pub(super) const TRUTH: RGBColor = RGBColor(0x1B, 0x7F, 0x5A);
    pub(super) const BAND: RGBColor = RGBColor(0xD5, 0xE2, 0xF7);
    pub(super) const OTHER: RGBColor = RGBColor(0xA7, 0xAF, 0xBC);
}

const SIZE: (u32, u32) = (880, 620);
const FONT: u32 = 30;
const LINE: u32 = 4;
/// Columns in the plot of importance.
pub(super) const MAX_BARS: usize = 20;
/// Characters of a column's name that fit beside its bar.
const MAX_NAME: usize = 30;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What is on the axes of a plot.
struct Axes {
    x: &'static str,
    y: &'static str,
    x_end: f64,
    y_end: f64,
    /// Whether the labels of x and of y are percentages.
    percent: [bool; 2],
}

/// A model's line.
pub(super) struct Line {
    pub(super) ink: RGBColor,
    pub(super) ranking: Ranking,
}

fn draw(size: (u32, u32), paint: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        paint(&area).expect("drawing into a string cannot fail");
        area.present().expect("drawing into a string cannot fail");
    }
    svg
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&Ink::TEXT)
}

fn chart(axes: &Axes, paint: impl FnOnce(&mut Chart<'_, '_>) -> Drawn) -> String {
    draw(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(52)
            .x_label_area_size(94)
            .y_label_area_size(120)
            .build_cartesian_2d(0.0..axes.x_end, 0.0..axes.y_end)?;
        let label = |percent: bool| {
            move |value: &f64| if percent { format!("{:.0} %", value * 100.0) } else { format!("{value}") }
        };
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Ink::GRID.stroke_width(2))
            .axis_style(Ink::AXIS.stroke_width(2))
            .label_style(text(FONT))
            .axis_desc_style(text(FONT))
            .x_desc(axes.x)
            .y_desc(axes.y)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&label(axes.percent[0]))
            .y_label_formatter(&label(axes.percent[1]))
            .draw()?;
        paint(&mut chart)
    })
}

fn guide(chart: &mut Chart<'_, '_>, from: (f64, f64), to: (f64, f64)) -> Drawn {
    chart.draw_series(DashedLineSeries::new([from, to], 10, 8, Ink::AXIS.stroke_width(2)))?;
    Ok(())
}

fn curves(chart: &mut Chart<'_, '_>, lines: &[Line], points: impl Fn(&Ranking) -> Vec<(f64, f64)>) -> Drawn {
    // Ours last, so that it lies on top.
    for line in lines.iter().rev() {
        chart.draw_series(LineSeries::new(points(&line.ranking), line.ink.stroke_width(LINE)))?;
    }
    Ok(())
}

pub(super) fn roc(lines: &[Line]) -> String {
    let axes =
        Axes { x: "false positive rate", y: "true positive rate", x_end: 1.0, y_end: 1.0, percent: [true, true] };
    chart(&axes, |chart| {
        guide(chart, (0.0, 0.0), (1.0, 1.0))?;
        curves(chart, lines, Ranking::roc)
    })
}

pub(super) fn precision_recall(lines: &[Line], share: f64) -> String {
    let axes = Axes { x: "recall", y: "precision", x_end: 1.0, y_end: 1.0, percent: [true, true] };
    chart(&axes, |chart| {
        guide(chart, (0.0, share), (1.0, share))?;
        curves(chart, lines, Ranking::precision_recall)
    })
}

pub(super) fn gains(lines: &[Line]) -> String {
    let axes = Axes {
        x: "share of leads called, best first",
        y: "share of conversions reached",
        x_end: 1.0,
        y_end: 1.0,
        percent: [true, true],
    };
    chart(&axes, |chart| {
        guide(chart, (0.0, 0.0), (1.0, 1.0))?;
        curves(chart, lines, Ranking::gains)
    })
}

pub(super) fn lift(lines: &[Line]) -> String {
    let highest = lines.iter().flat_map(|line| line.ranking.lift()).map(|(_, lift)| lift).fold(1.0, f64::max);
    let axes = Axes {
        x: "share of leads called, best first",
        y: "lift",
        x_end: 1.0,
        y_end: (highest * 1.08).ceil(),
        percent: [true, false],
    };
    chart(&axes, |chart| {
        guide(chart, (0.0, 1.0), (1.0, 1.0))?;
        curves(chart, lines, Ranking::lift)
    })
}

pub(super) fn reliability(bins: &[ReliabilityBin]) -> String {
    let highest = bins.iter().map(|bin| bin.probability.max(bin.share).max(bin.upper)).fold(0.05, f64::max);
    let end = (highest * 1.08 * 20.0).ceil().min(20.0) / 20.0;
    let axes = Axes { x: "predicted probability", y: "share converted", x_end: end, y_end: end, percent: [true, true] };
    chart(&axes, |chart| {
        let upper = bins.iter().map(|bin| (bin.probability, bin.upper));
        let lower = bins.iter().rev().map(|bin| (bin.probability, bin.lower));
        let band: Vec<(f64, f64)> = upper.chain(lower).collect();
        chart.draw_series([plotters::element::Polygon::new(band, Ink::BAND.filled())])?;
        guide(chart, (0.0, 0.0), (end, end))?;
        let points = bins.iter().map(|bin| (bin.probability, bin.share));
        chart.draw_series(LineSeries::new(points.clone(), Ink::MODEL.stroke_width(2)))?;
        chart.draw_series(points.map(|point| Circle::new(point, 7, Ink::MODEL.filled())))?;
        Ok(())
    })
}

pub(super) fn distributions(rows: &[BacktestRow]) -> String {
    let labels: Vec<bool> = rows.iter().map(|row| row.label).collect();
    let probabilities: Vec<f64> = rows.iter().map(|row| row.probability).collect();
    let mut sorted = probabilities.clone();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() * 995 / 1_000).copied().unwrap_or(1.0);
    let limit = ((high * 20.0).ceil() / 20.0).clamp(0.05, 1.0);
    let [others, converted] = distribution(&labels, &probabilities, limit);
    let highest = others.iter().chain(&converted).copied().fold(0.0, f64::max);
    let axes = Axes {
        x: "predicted probability",
        y: "share of the class",
        x_end: limit,
        y_end: (highest * 1.08).max(0.01),
        percent: [true, true],
    };
    let step = limit / BARS as f64;
    chart(&axes, |chart| {
        let bar = |(i, &height): (usize, &f64)| {
            let corners = [(step * i as f64, 0.0), (step * (i + 1) as f64, height)];
            Rectangle::new(corners, Ink::OTHER.mix(0.55).filled())
        };
        chart.draw_series(others.iter().enumerate().map(bar))?;
        let steps = converted
            .iter()
            .enumerate()
            .flat_map(|(i, &height)| [(step * i as f64, height), (step * (i + 1) as f64, height)]);
        chart.draw_series(LineSeries::new(steps, Ink::MODEL.stroke_width(LINE)))?;
        Ok(())
    })
}

pub(super) fn importance(columns: &[Importance]) -> String {
    let columns = &columns[..columns.len().min(MAX_BARS)];
    let row = 44;
    let (left, right) = (420, 120);
    let height = columns.len().max(1) as u32 * row as u32 + 16;
    let highest = columns.first().map_or(1.0, |first| first.mean_contribution).max(1e-9);
    draw((SIZE.0, height), |area| {
        for (i, column) in columns.iter().enumerate() {
            let middle = 8 + row * i as i32 + row / 2;
            let length = column.mean_contribution / highest * f64::from(SIZE.0 as i32 - left - right);
            let end = left + length.round().max(2.0) as i32;
            let bar = [(left, middle - 13), (end, middle + 13)];
            area.draw(&Rectangle::new(bar, Ink::MODEL.filled()))?;
            let name = text(FONT - 4).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(shortened(&column.column), (left - 16, middle), name))?;
            let value = text(FONT - 4).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(format!("{:.3}", column.mean_contribution), (end + 12, middle), value))?;
        }
        Ok(())
    })
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let start: String = name.chars().take(MAX_NAME - 1).collect();
    format!("{start}…")
}
