//! The check at shift close: does what the POS recorded agree with what the till has and with what
//! came here?
//!
//! Pure: facts in, outcome out. It is made anew whenever a document or the record of the shift
//! arrives, and when the time to wait is over. A new comparison goes into [`check`]; a new figure
//! into [`Facts`].

use serde::{Deserialize, Serialize};
use std::fmt;
use tillway_proto::Kopecks;

/// Most holes that are listed; more are only counted.
pub const MAX_LISTED_HOLES: usize = 100;

/// So long a closed shift waits for documents still under way before what is missing becomes a
/// difference: longer than an agent's retries, shorter than a working day.
pub const WAIT_HOURS: i64 = 2;

/// So long an open shift may be silent before it counts as left: a shift lasts a day, and a shop
/// that is closed for one more comes back by then. A till that broke never closes its last one.
pub const LEFT_HOURS: i64 = 48;

/// Sale document.
pub const SALE: i32 = 1;
/// Refund documents.
pub const REFUNDS: [i32; 2] = [2, 25];

/// Count and sum of the sales and refunds of a shift. Sums are plain sums of the documents' `sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Documents of type 1.
    pub sales: i64,
    /// Documents of types 2 and 25.
    pub refunds: i64,
    /// Their sum, kopecks.
    pub sale_sum: Kopecks,
    /// Their sum, kopecks.
    pub refund_sum: Kopecks,
}

/// What the till's record of the shift says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFacts {
    /// Whether the shift is closed.
    pub closed: bool,
    /// By the POS, in the shift's record.
    pub recorded: Counted,
    /// By the agent, from the till's documents.
    pub till: Counted,
    /// Finished documents of every type on the till.
    pub till_documents: i64,
    /// Documents on the till that are not finished.
    pub unfinished: i64,
    /// Number of the first document, 0 where not known.
    pub first: u64,
    /// Number of the last one, 0 where not known.
    pub last: u64,
    /// Whether [`WAIT_HOURS`] have passed since the closing record arrived.
    pub waited: bool,
}

/// What is known of a shift.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The till's record, where it has arrived.
    pub record: Option<RecordFacts>,
    /// Counted in the server's database.
    pub server: Counted,
    /// Numbers of all its documents in the server's database, of every type, in growing order,
    /// doubles included.
    pub numbers: Vec<u64>,
    /// Whether [`WAIT_HOURS`] have passed since anything of it arrived; [`LEFT_HOURS`] where its
    /// record says that it is open.
    pub quiet: bool,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The shift is open, or its record has not come.
    Open,
    /// Closed; documents are still coming.
    Waiting,
    /// Till, shift record and server agree, and no number is missing.
    Ok,
    /// They do not; or nothing comes any more of a shift that is open.
    Differs,
}

impl Verdict {
    /// The word, as in REST and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Ok => "ok",
            Self::Differs => "differs",
        }
    }

    /// The verdict of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Waiting, Self::Ok, Self::Differs].into_iter().find(|verdict| verdict.as_str() == word)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Number of sales.
    Sales,
    /// Number of refunds.
    Refunds,
    /// Sum of sales, kopecks.
    SaleSum,
    /// Sum of refunds, kopecks.
    RefundSum,
    /// Number of finished documents of every type.
    Documents,
    /// Documents left unfinished on the till.
    Unfinished,
}

/// One figure on which the three do not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which figure.
    pub measure: Measure,
    /// In the shift's record; absent where the POS records no such figure.
    pub recorded: Option<i64>,
    /// On the till.
    pub till: i64,
    /// On the server; absent where there can be none.
    pub server: Option<i64>,
}

impl Difference {
    fn reason(&self) -> CheckReason {
        let measure = self.measure;
        let money = matches!(measure, Measure::SaleSum | Measure::RefundSum);
        let figure = |value: i64| if money { Kopecks(value).to_string() } else { value.to_string() };
        let till = figure(self.till);
        let Some(server) = self.server else { return CheckReason::OnTill { measure, till } };
        let by = figure(server.abs_diff(self.till).try_into().unwrap_or(i64::MAX));
        let by = format!("{}{by}", if server < self.till { '-' } else { '+' });
        let server = figure(server);
        match self.recorded.map(figure) {
            Some(recorded) => CheckReason::AmongThree { measure, till, recorded, server, by },
            None => CheckReason::AmongTwo { measure, till, server, by },
        }
    }
}

/// Why a shift does not agree. Figures are as people write them: money in the currency's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CheckReason {
    /// Till, shift record and server differ.
    AmongThree {
        /// In which figure.
        measure: Measure,
        /// On the till.
        till: String,
        /// In the shift's record.
        recorded: String,
        /// On the server.
        server: String,
        /// The server's less the till's, with its sign.
        by: String,
    },
    /// Till and server differ.
    AmongTwo {
        /// In which figure.
        measure: Measure,
        /// On the till.
        till: String,
        /// On the server.
        server: String,
        /// The server's less the till's, with its sign.
        by: String,
    },
    /// A figure of the till that should be 0.
    OnTill {
        /// Which one.
        measure: Measure,
        /// On the till.
        till: String,
    },
    /// Numbers that no document has.
    NumbersMissing {
        /// How many.
        count: u64,
        /// The first of them.
        numbers: String,
    },
    /// Numbers that more than one document has.
    NumbersTwice {
        /// The first of them.
        numbers: String,
    },
    /// Documents without the record of their shift.
    WithoutRecord {
        /// Their first numbers.
        numbers: String,
    },
    /// The shift is open, and nothing of it has come for [`LEFT_HOURS`].
    LeftOpen {
        /// So many hours.
        hours: i64,
    },
}

/// What a person can do about a shift that does not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ShiftAdvice {
    /// Ask the till for the record of the shift.
    AskForRecord,
    /// Close it at the till, if the till is still there.
    CloseShift,
    /// Ask the till for receipts that are still there.
    AskForReceipts,
    /// Finish what is open at the till.
    FinishDocuments,
    /// Numbers stand for two documents: compare.
    CompareNumbers,
    /// Numbers were never given out: compare.
    CompareMissing,
    /// The record of the POS is another: compare.
    CompareRecord,
}

/// A range of document numbers, both ends included; mostly of those that no document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first one.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to { write!(f, "{}", self.from) } else { write!(f, "{}–{}", self.from, self.to) }
    }
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What came out.
    pub verdict: Verdict,
    /// On what they do not agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Numbers without a document, the first [`MAX_LISTED_HOLES`] ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holes: Vec<Hole>,
    /// How many numbers are missing in all.
    #[serde(default)]
    pub missing_numbers: u64,
    /// Numbers that more than one document has, the first [`MAX_LISTED_HOLES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubled: Vec<u64>,
    /// The numbers of its documents, the first [`MAX_LISTED_HOLES`] ranges, where the till's
    /// record of the shift has not come in [`WAIT_HOURS`]. Empty where there is a record, or it
    /// may still come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_record: Vec<Hole>,
    /// It is open, and nothing of it has come for [`LEFT_HOURS`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_open: bool,
}

/// Most ranges of numbers that one reason names.
const MAX_TOLD_RANGES: usize = 10;

impl Outcome {
    /// Whether nothing tells when it ended, and nothing is waited for any longer: it is handed
    /// over as it is.
    pub fn ends_unknown(&self) -> bool {
        self.left_open || !self.without_record.is_empty()
    }

    /// On what they do not agree.
    pub fn reasons(&self) -> Vec<CheckReason> {
        fn first<T: fmt::Display>(list: &[T]) -> String {
            list.iter().take(MAX_TOLD_RANGES).map(T::to_string).collect::<Vec<_>>().join(", ")
        }
        let mut reasons: Vec<CheckReason> = self.differences.iter().map(Difference::reason).collect();
        if self.missing_numbers > 0 {
            reasons.push(CheckReason::NumbersMissing { count: self.missing_numbers, numbers: first(&self.holes) });
        }
        if !self.doubled.is_empty() {
            reasons.push(CheckReason::NumbersTwice { numbers: first(&self.doubled) });
        }
        if !self.without_record.is_empty() {
            reasons.push(CheckReason::WithoutRecord { numbers: first(&self.without_record) });
        }
        if self.left_open {
            reasons.push(CheckReason::LeftOpen { hours: LEFT_HOURS });
        }
        reasons
    }

    /// What a person can do about it.
    pub fn advice(&self) -> ShiftAdvice {
        let lacks = |difference: &Difference| difference.server.is_some_and(|server| server < difference.till);
        let unfinished = self.differences.iter().any(|difference| difference.measure == Measure::Unfinished);
        if !self.without_record.is_empty() {
            ShiftAdvice::AskForRecord
        } else if self.left_open {
            ShiftAdvice::CloseShift
        } else if self.differences.iter().any(lacks) {
            ShiftAdvice::AskForReceipts
        } else if unfinished {
            ShiftAdvice::FinishDocuments
        } else if !self.doubled.is_empty() {
            ShiftAdvice::CompareNumbers
        } else if self.missing_numbers > 0 && self.differences.is_empty() {
            ShiftAdvice::CompareMissing
        } else {
            ShiftAdvice::CompareRecord
        }
    }
}

/// Compares till, shift record and server.
pub fn check(facts: &Facts) -> Outcome {
    let (first, last) = facts.record.as_ref().filter(|record| record.closed).map_or((0, 0), |r| (r.first, r.last));
    let (holes, missing_numbers) = holes(first, last, &facts.numbers);
    let doubled = doubled(&facts.numbers);
    let mut outcome = Outcome {
        verdict: Verdict::Open,
        differences: Vec::new(),
        holes,
        missing_numbers,
        doubled,
        without_record: Vec::new(),
        left_open: false,
    };
    let Some(record) = facts.record.as_ref().filter(|record| record.closed) else {
        if facts.quiet && !facts.numbers.is_empty() {
            match facts.record {
                Some(_) => outcome.left_open = true,
                None => outcome.without_record = ranges(&facts.numbers),
            }
            outcome.verdict = Verdict::Differs;
        }
        return outcome;
    };
    let server_documents = i64::try_from(facts.numbers.len()).unwrap_or(i64::MAX);
    outcome.differences = differences(record, facts.server, server_documents);
    let still_coming = server_documents < record.till_documents || record.unfinished > 0;
    outcome.verdict = if still_coming && !record.waited {
        Verdict::Waiting
    } else if outcome.differences.is_empty() && outcome.missing_numbers == 0 && outcome.doubled.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Differs
    };
    outcome
}

fn differences(record: &RecordFacts, server: Counted, server_documents: i64) -> Vec<Difference> {
    let (recorded, till) = (record.recorded, record.till);
    let three = [
        (Measure::Sales, recorded.sales, till.sales, server.sales),
        (Measure::Refunds, recorded.refunds, till.refunds, server.refunds),
        (Measure::SaleSum, recorded.sale_sum.0, till.sale_sum.0, server.sale_sum.0),
        (Measure::RefundSum, recorded.refund_sum.0, till.refund_sum.0, server.refund_sum.0),
    ];
    let mut found: Vec<Difference> = three
        .into_iter()
        .filter(|(_, recorded, till, server)| recorded != till || till != server)
        .map(|(measure, recorded, till, server)| Difference {
            measure,
            recorded: Some(recorded),
            till,
            server: Some(server),
        })
        .collect();
    if record.till_documents != server_documents {
        found.push(Difference {
            measure: Measure::Documents,
            recorded: None,
            till: record.till_documents,
            server: Some(server_documents),
        });
    }
    if record.unfinished > 0 {
        found.push(Difference { measure: Measure::Unfinished, recorded: None, till: record.unfinished, server: None });
    }
    found
}

/// Ranges of numbers from `first` to `last` (0 = where the documents start or end) that are not
/// among `numbers`, and how many numbers they are in all.
fn holes(first: u64, last: u64, numbers: &[u64]) -> (Vec<Hole>, u64) {
    let (mut found, mut missing) = (Vec::new(), 0_u64);
    let mut note = |from: u64, to: u64| {
        if from <= to {
            missing = missing.saturating_add((to - from).saturating_add(1));
            if found.len() < MAX_LISTED_HOLES {
                found.push(Hole { from, to });
            }
        }
    };
    let mut expected = if first > 0 { first } else { numbers.first().copied().unwrap_or(1) };
    for number in numbers {
        if *number > expected {
            note(expected, number - 1);
        }
        expected = expected.max(number.saturating_add(1));
    }
    if first > 0 || !numbers.is_empty() {
        note(expected, last);
    }
    (found, missing)
}

/// Numbers in growing order as ranges, the first [`MAX_LISTED_HOLES`].
fn ranges(numbers: &[u64]) -> Vec<Hole> {
    let of = |run: &[u64]| run.first().zip(run.last()).map(|(from, to)| Hole { from: *from, to: *to });
    numbers.chunk_by(|one, next| next - one <= 1).filter_map(of).take(MAX_LISTED_HOLES).collect()
}

fn doubled(numbers: &[u64]) -> Vec<u64> {
    let mut found: Vec<u64> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    found.dedup();
    found.truncate(MAX_LISTED_HOLES);
    found
}
