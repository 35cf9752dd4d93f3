//! What a till calculates.

use tillway_proto::{Kopecks, Thousandths};

/// Price × quantity, rounded to the nearest kopeck, half a kopeck up.
pub fn price_times_quantity(price: Kopecks, quantity: Thousandths) -> Kopecks {
    Kopecks((price.0 * quantity.0 + 500).div_euclid(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_kopeck_is_rounded_up() {
        assert_eq!(price_times_quantity(Kopecks(230), Thousandths(8_701)), Kopecks(2_001));
        assert_eq!(price_times_quantity(Kopecks(1), Thousandths(500)), Kopecks(1));
        assert_eq!(price_times_quantity(Kopecks(1), Thousandths(499)), Kopecks(0));
        assert_eq!(price_times_quantity(Kopecks(149), Thousandths(2_000)), Kopecks(298));
    }
}
