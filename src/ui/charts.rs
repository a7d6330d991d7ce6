//! Charts: the geometry of the drawings that templates render as SVG.
//!
//! Across, positions are in per cent of the width; up, in pixels. Text therefore never scales. Each chart comes with
//! its figures as a table and one sentence, for those who do not see it (`templates/components/charts.html`).

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::platform::Timestamp;
use crate::platform::clock::DAY;
use crate::platform::text::{count, with_commas};
use crate::usage::model::{DayOfCalls, History, start_of};

/// The height of the drawing of calls per day.
const HEIGHT: i64 = 168;
/// The room above the highest bar.
const TOP: i64 = 8;
/// The height of the smallest mark, so that one call beside a million can be seen.
const SMALLEST: f64 = 2.0;

/// Calls per day, allowed below and refused on top.
#[derive(Clone, Debug)]
pub struct CallsChart {
    /// What the chart shows, as its title.
    pub title: String,
    /// The calls.
    pub history: History,
    /// One bar for each day.
    pub bars: Vec<Bar>,
    /// The labels of the vertical scale, the highest first.
    pub scale: [String; 4],
}

/// The bar of one day.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The day, such as `28 Nov`.
    pub day: String,
    /// The day with its year.
    pub date: String,
    /// The calls.
    pub calls: DayOfCalls,
    /// The left end of the day, in per cent.
    pub x: String,
    /// Top and height of the allowed calls, in pixels.
    pub allowed: Option<(String, String)>,
    /// Top and height of the refused calls, in pixels.
    pub refused: Option<(String, String)>,
}

impl CallsChart {
    /// Draws the calls.
    #[must_use]
    pub fn new(title: impl Into<String>, history: History) -> Self {
        let most = history.days.iter().map(|day| day.allowed + day.refused).max().unwrap_or(0);
        let step = step_for(most);
        let pixels = |calls: i64| as_float(calls) / as_float(3 * step) * as_float(HEIGHT - TOP);
        let count = as_float(i64::try_from(history.days.len()).unwrap_or(1).max(1));
        let bars = history.days.iter().zip(0_i32..).map(|(day, place)| {
            let allowed = height_of(day.allowed, pixels(day.allowed));
            let refused = height_of(day.refused, pixels(day.refused));
            let bottom = as_float(HEIGHT) - allowed;
            // A thin line separates the two.
            let gap = if allowed > 0.0 { 1.0 } else { 0.0 };
            let bar = |top: f64, height: f64| (height > 0.0).then(|| (round(top), round(height)));
            let date = start_of(day.day).day();
            Bar {
                day: date.rsplit_once(' ').map_or(date.clone(), |(day, _)| day.to_owned()),
                date,
                calls: *day,
                x: round(100.0 * f64::from(place) / count),
                allowed: bar(bottom, allowed),
                refused: bar(bottom - gap - refused, refused),
            }
        });
        let bars = bars.collect();
        let scale = [3 * step, 2 * step, step, 0].map(short);
        Self { title: title.into(), history, bars, scale }
    }

    /// The width of a day in per cent.
    #[must_use]
    pub fn width(&self) -> String {
        round(100.0 / as_float(i64::try_from(self.bars.len()).unwrap_or(1).max(1)))
    }

    /// The height of the drawing in pixels.
    #[must_use]
    pub fn height(&self) -> i64 {
        HEIGHT
    }

    /// Where the horizontal lines are, from the top.
    #[must_use]
    pub fn lines(&self) -> [String; 3] {
        let third = as_float(HEIGHT - TOP) / 3.0;
        [0.0, 1.0, 2.0].map(|place| round(as_float(TOP) + place * third))
    }

    /// The days that are written below the chart: the first, and then every tenth.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        let days = self.bars.iter().step_by(10).map(|bar| bar.day.as_str());
        days.chain(["Today"]).collect()
    }
}

/// The height of the drawing of tokens by week.
const WEEKS_HEIGHT: i64 = 132;
/// The largest number of tiles in a week.
const MOST_TILES: i64 = 6;
/// The largest number of tokens that a week counts.
pub const MOST_IN_A_WEEK: i64 = 200;

/// Tokens by the week in which they expire: one tile for each, and those that never do.
#[derive(Clone, Debug)]
pub struct WeeksChart {
    /// The weeks, and at the end the tokens that never expire.
    pub weeks: Vec<Week>,
    /// How many tokens a tile stands for.
    pub tokens_per_tile: i64,
    /// All tokens that expire in these weeks.
    pub total: i64,
}

/// The tokens of one week.
#[derive(Clone, Debug)]
pub struct Week {
    /// What is counted in words, such as `Week of 27 Nov: 1 token expires`.
    pub words: String,
    /// The first day of the week, such as `27 Nov`; `Never` for the tokens without an end.
    pub label: String,
    /// The number of tokens as it is written above the tiles.
    pub count: String,
    /// Whether the tokens expire within 14 days.
    pub is_soon: bool,
    /// Whether these are the tokens that never expire.
    pub is_endless: bool,
    /// The left end of the week, in per cent.
    pub x: String,
    /// The tops of the tiles.
    pub tiles: Vec<i64>,
    /// Where the number stands.
    pub above: i64,
}

impl WeeksChart {
    /// Draws the tokens that expire in the weeks from `now`, and those that never expire.
    #[must_use]
    pub fn new(by_week: &[i64], endless: i64, now: Timestamp) -> Self {
        let most = by_week.iter().copied().chain([endless]).max().unwrap_or(0);
        let tokens_per_tile = (most + MOST_TILES - 1).div_euclid(MOST_TILES).max(1);
        let columns = as_float(i64::try_from(by_week.len()).unwrap_or(0) + 1);
        let shown = |number: i64| {
            if number > MOST_IN_A_WEEK { format!("{MOST_IN_A_WEEK}+") } else { number.to_string() }
        };
        let expire = |number: i64| {
            if number == 1 {
                "1 token expires".to_owned()
            } else {
                format!("{} tokens expire", shown(number))
            }
        };
        let weeks = by_week.iter().map(Some).chain([None]).zip(0_u32..).map(|(expiring, place)| {
            let number = expiring.copied().unwrap_or(endless);
            let start = now.plus(place * 7 * DAY).day();
            let day = start.rsplit_once(' ').map_or(start.clone(), |(day, _)| day.to_owned());
            let words = match expiring {
                Some(number) => format!("Week of {day}: {}", expire(*number)),
                None if endless == 1 => "1 token never expires".to_owned(),
                None => format!("{} tokens never expire", count(endless)),
            };
            let tiles = (number + tokens_per_tile - 1).div_euclid(tokens_per_tile);
            Week {
                words,
                label: if expiring.is_some() { day } else { "Never".to_owned() },
                count: match expiring {
                    _ if number == 0 => String::new(),
                    Some(_) => shown(number),
                    None => count(number),
                },
                is_soon: expiring.is_some() && place < 2,
                is_endless: expiring.is_none(),
                x: round(100.0 * f64::from(place) / columns),
                tiles: (0..tiles).map(|tile| WEEKS_HEIGHT - 21 - 18 * tile).collect(),
                above: WEEKS_HEIGHT - 13 - 18 * tiles,
            }
        });
        Self { weeks: weeks.collect(), tokens_per_tile, total: by_week.iter().sum() }
    }

    /// The width of a week in per cent.
    #[must_use]
    pub fn width(&self) -> String {
        round(100.0 / as_float(i64::try_from(self.weeks.len()).unwrap_or(1).max(1)))
    }

    /// The width of the weeks within 14 days, in per cent.
    #[must_use]
    pub fn soon_width(&self) -> String {
        round(200.0 / as_float(i64::try_from(self.weeks.len()).unwrap_or(1).max(1)))
    }

    /// The height of the drawing in pixels.
    #[must_use]
    pub fn height(&self) -> i64 {
        WEEKS_HEIGHT
    }
}

/// The smallest step of 1, 2 or 5 times a power of ten of which three reach `most`.
fn step_for(most: i64) -> i64 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if 3 * factor * power >= most || power > i64::MAX / 100 {
                return factor * power;
            }
        }
        power *= 10;
    }
}

/// The height of a mark; at least [`SMALLEST`] if there is anything.
fn height_of(calls: i64, pixels: f64) -> f64 {
    if calls == 0 { 0.0 } else { pixels.max(SMALLEST) }
}

#[expect(clippy::cast_precision_loss, reason = "a position in a drawing needs no more digits")]
fn as_float(number: i64) -> f64 {
    number as f64
}

/// Two digits after the point are enough, and zeros at the end are left out.
fn round(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number in at most four characters: `940`, `1.2 k`, `60 k`, `1.2 M`.
#[must_use]
pub fn short(number: i64) -> String {
    let scaled = |divisor: i64, unit: &str| {
        let tenths = (number + divisor / 20) / (divisor / 10);
        match (tenths / 10, tenths % 10) {
            (whole, 0) => format!("{whole} {unit}"),
            (whole, _) if whole >= 100 => format!("{whole} {unit}"),
            (whole, tenth) => format!("{whole}.{tenth} {unit}"),
        }
    };
    match number {
        ..10_000 => with_commas(number),
        10_000..1_000_000 => scaled(1_000, "k"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "M"),
        _ => scaled(1_000_000_000, "G"),
    }
}

/// Calls per day in a row of a list: 90 × 24 pixels, each with its own scale.
#[derive(Clone, Debug)]
pub struct Sparkline {
    /// The path of the allowed calls.
    pub allowed: String,
    /// The path of the refused calls.
    pub refused: String,
    /// All calls of these days, in short.
    pub total: String,
    /// The drawing in words.
    pub words: String,
}

impl Sparkline {
    /// Draws the calls.
    #[must_use]
    pub fn new(history: &History) -> Self {
        let most = history.days.iter().map(|day| day.allowed + day.refused).max().unwrap_or(0);
        let pixels = |calls: i64| height_of(calls, as_float(calls) / as_float(most.max(1)) * 22.0);
        let (mut allowed, mut refused) = (String::new(), String::new());
        for (day, place) in history.days.iter().zip(0..) {
            let (x, low, high) = (3 * place, pixels(day.allowed), pixels(day.refused));
            if low > 0.0 {
                let _ = write!(allowed, "M{x} 24v-{0}h2v{0}z", round(low));
            }
            if high > 0.0 {
                let _ = write!(refused, "M{x} {1}v-{0}h2v{0}z", round(high), round(24.0 - low));
            }
        }
        let total = history.allowed() + history.refused();
        let words = format!(
            "{} calls in {} days, at most {} a day",
            with_commas(total),
            history.days.len(),
            with_commas(most)
        );
        Self { allowed, refused, total: short(total), words }
    }
}

/// The calls of each row of a list, by the id of the row.
#[derive(Clone, Debug, Default)]
pub struct Sparklines(HashMap<String, Sparkline>);

impl Sparklines {
    /// Draws the calls of these ids.
    #[must_use]
    pub fn new(ids: Vec<String>, histories: &[History]) -> Self {
        Self(ids.into_iter().zip(histories.iter().map(Sparkline::new)).collect())
    }

    /// The calls of one row; `None` if they were not read.
    #[must_use]
    pub fn of(&self, id: &impl ToString) -> Option<&Sparkline> {
        self.0.get(&id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::model::{CountRow, Days};
    use crate::verification::usage::Outcome;

    fn history(rows: &[(i64, Outcome, i64)]) -> History {
        let rows: Vec<_> = rows
            .iter()
            .map(|(day, outcome, calls)| CountRow { day: *day, outcome: *outcome, calls: *calls })
            .collect();
        History::of(&rows, Days { from: 20_000, to: 20_003 })
    }

    #[test]
    fn a_bar_is_as_high_as_its_calls_and_one_refusal_can_be_seen() {
        let rows =
            [(20_000, Outcome::Allowed, 300), (20_001, Outcome::Allowed, 150), (20_001, Outcome::Expired, 1)];
        let chart = CallsChart::new("Calls", history(&rows));
        assert_eq!(chart.scale, ["300", "200", "100", "0"]);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.allowed.clone()).collect();
        let pair = |top: &str, height: &str| Some((top.to_owned(), height.to_owned()));
        assert_eq!(heights, [pair("8", "160"), pair("88", "80"), None, None]);
        assert_eq!(chart.bars[1].refused, pair("85", "2"));
        assert_eq!(chart.bars[1].x, "25");
        assert_eq!((chart.bars[0].day.as_str(), chart.bars[0].date.as_str()), ("4 Oct", "4 Oct 2024"));
    }

    #[test]
    fn the_scale_starts_at_nothing_and_ends_above_everything() {
        for (most, step) in [(0, 1), (3, 1), (4, 2), (15, 5), (16, 10), (56_000, 20_000), (i64::MAX, 1)] {
            assert!(most == i64::MAX || step_for(most) == step, "{most}: {}", step_for(most));
            assert!(most == i64::MAX || 3 * step_for(most) >= most);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [
            (0, "0"),
            (940, "940"),
            (9_999, "9,999"),
            (12_340, "12.3 k"),
            (60_000, "60 k"),
            (432_100, "432 k"),
            (1_198_131, "1.2 M"),
            (2_000_000_000, "2 G"),
        ] {
            assert_eq!(short(number), expected);
        }
    }

    #[test]
    fn a_token_is_a_tile_in_its_week_unless_there_are_too_many() {
        let now = start_of(20_000);
        let chart = WeeksChart::new(&[1, 0, 3], 2, now);
        let tiles: Vec<_> = chart.weeks.iter().map(|week| (week.tiles.len(), week.count.as_str())).collect();
        assert_eq!(tiles, [(1, "1"), (0, ""), (3, "3"), (2, "2")]);
        let words: Vec<_> = chart.weeks.iter().map(|week| week.words.as_str()).collect();
        assert_eq!(words[..2], ["Week of 4 Oct: 1 token expires", "Week of 11 Oct: 0 tokens expire"]);
        assert_eq!((words[3], chart.tokens_per_tile, chart.total), ("2 tokens never expire", 1, 4));
        let many = WeeksChart::new(&[13, 12, 1], 0, now);
        let tiles: Vec<_> = many.weeks.iter().map(|week| week.tiles.len()).collect();
        assert_eq!((many.tokens_per_tile, tiles), (3, vec![5, 4, 1, 0]));
        let capped = WeeksChart::new(&[MOST_IN_A_WEEK + 1], 0, now);
        let week = &capped.weeks[0];
        assert_eq!((week.count.as_str(), week.words.as_str()), ("200+", "Week of 4 Oct: 200+ tokens expire"));
    }

    #[test]
    fn a_line_in_a_list_draws_the_days_with_calls() {
        let line = Sparkline::new(&history(&[(20_000, Outcome::Allowed, 2), (20_002, Outcome::Revoked, 4)]));
        assert_eq!((line.allowed.as_str(), line.refused.as_str()), ("M0 24v-11h2v11z", "M6 24v-22h2v22z"));
        assert_eq!((line.total.as_str(), line.words.as_str()), ("6", "6 calls in 4 days, at most 4 a day"));
    }
}
