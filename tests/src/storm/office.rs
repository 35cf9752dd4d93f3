//! The back office of a storm: what it delivers, by chance from the storm's seed.
//!
//! Among the goods are a few **sentinels** that every load changes all together or not at all: a
//! reader that ever sees two of them at different prices saw a mix of two states.

use super::model::Fate;
use crate::faults::seed::Seed;

/// Goods of the chain's catalogue.
const GOODS: u32 = 300;

/// Goods that always change together; the first of the catalogue.
const SENTINELS: u32 = 6;

/// Above all other prices, in kopecks.
const LAST_PRICE: u32 = 1_000_000;

/// Loads remembered, to be sent again word by word.
const REMEMBERED: usize = 20;

/// One load to be delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The layer it is for, by its place in the network's list.
    pub layer: usize,
    /// Its records.
    pub records: Vec<String>,
    /// What must become of it.
    pub fate: Fate,
    /// Whether it goes over REST, else by folder.
    pub by_rest: bool,
}

impl Delivery {
    /// As a file of an exchange folder. One that is to be refused ends in the middle of a record.
    pub fn file(&self) -> String {
        let whole = format!("{}\n---\n", self.records.join("\n---\n"));
        match self.fate {
            Fate::CarriedOut => whole,
            Fate::Refused => whole[..whole.len() - "}\n---\n".len() - 1].to_owned(),
        }
    }

    /// As a body for REST.
    pub fn body(&self) -> String {
        let whole = format!("[{}]", self.records.join(",\n"));
        match self.fate {
            Fate::CarriedOut => whole,
            Fate::Refused => whole[..whole.len() - 2].to_owned(),
        }
    }
}

/// Barcodes of the sentinels.
pub fn sentinels() -> Vec<String> {
    (0..SENTINELS).map(barcode).collect()
}

/// The barcode of a good.
pub fn barcode(number: u32) -> String {
    format!("b{number}")
}

/// A good that a buyer may take.
pub fn any_good(seed: &mut Seed) -> u32 {
    below(seed, GOODS)
}

/// A good that is never deleted.
pub fn steady_good(seed: &mut Seed) -> u32 {
    below(seed, SENTINELS)
}

/// The back office.
#[derive(Debug)]
pub struct Office {
    layers: usize,
    remembered: Vec<Delivery>,
}

impl Office {
    /// For a network with so many layers, the chain first.
    pub fn new(layers: usize) -> Self {
        Self { layers, remembered: Vec::new() }
    }

    /// The first load of all: the chain's catalogue.
    pub fn first(&self, seed: &mut Seed) -> Delivery {
        let records = catalogue(seed, 100);
        Delivery { layer: 0, records, fate: Fate::CarriedOut, by_rest: false }
    }

    /// The next load, whatever it is.
    pub fn next(&mut self, seed: &mut Seed) -> Delivery {
        if !self.remembered.is_empty() && seed.below(8) == 0 {
            let again = below(seed, self.remembered.len());
            return Delivery { by_rest: seed.happens(50), ..self.remembered[again].clone() };
        }
        let layer = below(seed, self.layers);
        let mut records = Self::records(layer, seed);
        let mut fate = Fate::CarriedOut;
        match seed.below(10) {
            0 if !takes_sentinels_away(&records) => poison(&mut records, seed),
            1 => fate = Fate::Refused,
            _ => {}
        }
        let delivery = Delivery { layer, records, fate, by_rest: seed.below(3) == 0 };
        if fate == Fate::CarriedOut {
            if self.remembered.len() == REMEMBERED {
                self.remembered.remove(0);
            }
            self.remembered.push(delivery.clone());
        }
        delivery
    }

    fn records(layer: usize, seed: &mut Seed) -> Vec<String> {
        let mut records = match seed.below(12) {
            0 => catalogue(seed, if layer == 0 { 80 } else { 0 }),
            1 if layer > 0 => (0..SENTINELS).map(delete_price).collect(),
            2 if layer > 0 => vec![r#"{"command":"clearPrice"}"#.to_owned()],
            3 => (0..seed.within(1..=5)).map(|_| delete_item(other_good(seed))).collect(),
            4 | 5 => (0..seed.within(1..=29)).map(|_| item(other_good(seed), amount(seed))).collect(),
            6 | 7 => sentinel_prices(amount(seed)),
            _ => Vec::new(),
        };
        // After a clearing of prices the sentinels are without one together; the rest may have
        // prices again.
        records.extend((0..seed.within(1..=19)).map(|_| price(other_good(seed), amount(seed))));
        records
    }
}

fn other_good(seed: &mut Seed) -> u32 {
    SENTINELS + below(seed, GOODS - SENTINELS)
}

/// A number below `end`.
fn below<T: Copy + TryInto<u64> + TryFrom<u64> + Default>(seed: &mut Seed, end: T) -> T {
    let end = end.try_into().unwrap_or(0);
    T::try_from(seed.below(end)).unwrap_or_default()
}

/// Whether sentinels may go. A broken record that may have been meant to add them again lets those
/// deletions stand back that come before it, and only those: the sentinels would be mixed.
fn takes_sentinels_away(records: &[String]) -> bool {
    records.iter().any(|record| record.starts_with(r#"{"command":"clear"#) || record.contains("deletePrice"))
}

/// Cleared and added: sentinels always, of the others each with this chance in a hundred.
fn catalogue(seed: &mut Seed, chance: u64) -> Vec<String> {
    let together = amount(seed);
    let mut records = vec![r#"{"command":"clearInventory"}"#.to_owned()];
    for number in 0..GOODS {
        if number < SENTINELS {
            records.push(item(number, together));
        } else if seed.happens(chance) {
            records.push(item(number, amount(seed)));
        }
    }
    records
}

/// Prices of the sentinels that no other load sets.
pub fn last_prices(number: u32) -> Vec<String> {
    sentinel_prices(LAST_PRICE + number)
}

fn sentinel_prices(together: u32) -> Vec<String> {
    (0..SENTINELS).map(|number| price(number, together)).collect()
}

fn poison(records: &mut Vec<String>, seed: &mut Seed) {
    for _ in 0..seed.within(1..=3) {
        let broken = match seed.below(4) {
            0 => r#"{"command":"dance"}"#.to_owned(),
            1 => r#"{"command":"addInventItem","invent":{"name":"no code"}}"#.to_owned(),
            2 => r#"{"command":"addPrice","price":{"barcode":"b1","price":"dear","doctype":1,"documentid":"SHELF"}}"#
                .to_owned(),
            _ => r#"{"command":17}"#.to_owned(),
        };
        let at = below(seed, records.len() + 1);
        records.insert(at, broken);
    }
    // What makes a load end in the middle stands at its end; poison does not.
    records.push(price(SENTINELS, amount(seed)));
}

fn amount(seed: &mut Seed) -> u32 {
    1 + below(seed, 9_999_u32)
}

fn rubles(kopecks: u32) -> String {
    format!("{}.{:02}", kopecks / 100, kopecks % 100)
}

fn item(number: u32, kopecks: u32) -> String {
    let price = rubles(kopecks);
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"{number}","name":"Good {number} at {price}","barcode":"b{number}","price":{price}}}}}"#
    )
}

fn delete_item(number: u32) -> String {
    format!(r#"{{"command":"deleteInventItem","invent":{{"inventcode":"{number}"}}}}"#)
}

fn price(number: u32, kopecks: u32) -> String {
    let price = rubles(kopecks);
    format!(
        r#"{{"command":"addPrice","price":{{"barcode":"b{number}","price":{price},"doctype":1,"documentid":"SHELF"}}}}"#
    )
}

fn delete_price(number: u32) -> String {
    format!(r#"{{"command":"deletePrice","price":{{"barcode":"b{number}","doctype":1,"documentid":"SHELF"}}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storm::model::{LoadSeen, Model};
    use tillway_exchangers::formats::aif::RecordReader;

    #[test]
    fn the_same_seed_makes_the_same_loads_and_only_poison_cannot_be_read() {
        let make = || {
            let (mut seed, mut office) = (Seed::new(7), Office::new(4));
            (0..200).map(|_| office.next(&mut seed)).collect::<Vec<_>>()
        };
        let (one, two) = (make(), make());
        assert!(one.iter().zip(&two).all(|(one, two)| one.file() == two.file()));
        assert!(one.iter().any(|delivery| delivery.fate == Fate::Refused));
        let poison = ["dance", "no code", "dear", r#""command":17"#];
        let mut broken = 0;
        for delivery in one.iter().filter(|delivery| delivery.fate == Fate::CarriedOut) {
            for record in &delivery.records {
                let text = format!("{record}\n---\n");
                let read = RecordReader::new(text.as_bytes()).next().unwrap().unwrap();
                let poisoned = poison.iter().any(|part| record.contains(part));
                assert_eq!(read.command.is_err(), poisoned, "{record}");
                broken += usize::from(poisoned);
            }
        }
        assert!(broken > 0);
    }

    #[test]
    fn a_model_takes_all_that_an_office_delivers() {
        let (mut seed, mut office) = (Seed::new(3), Office::new(2));
        let mut model = Model::new(2, vec![vec![0, 1]]);
        let first = office.first(&mut seed);
        model.deliver("first", first.layer, &first.records, first.fate);
        let seen = LoadSeen {
            name: "first".to_owned(),
            state: "ready".to_owned(),
            revision: Some(1),
            rejected: 0,
            ended: true,
        };
        assert_eq!(model.learn(&[seen]), Vec::<String>::new());
        assert_eq!(model.head(), 1);
        let _ = office.next(&mut seed);
    }
}
