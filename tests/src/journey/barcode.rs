//! Barcodes: the data set has none.

use super::ProductId;

/// EAN-13 prefixes 20 to 29 are for use within a chain. Shops commonly give 20 to 28 to weighed
/// goods, with the weight inside the barcode; 29 stays clear of them.
const IN_STORE_PREFIX: u64 = 29;

/// The EAN-13 of a product: 29, its number in ten digits, the check digit.
pub fn barcode_of(product: ProductId) -> String {
    let digits = IN_STORE_PREFIX * 10_u64.pow(10) + u64::from(product.0);
    format!("{digits}{}", check_digit(digits))
}

/// The check digit behind the twelve digits of an EAN-13.
pub fn check_digit(twelve_digits: u64) -> u64 {
    let weighted: u64 = (0..12_u32)
        .map(|place| {
            let digit = twelve_digits / 10_u64.pow(place) % 10;
            // The last of the twelve digits weighs three.
            if place % 2 == 0 { digit * 3 } else { digit }
        })
        .sum();
    (10 - weighted % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_known_barcodes_are_right() {
        for known in [4_006_381_333_931_u64, 5_901_234_123_457, 4_600_682_000_013, 2_000_000_000_008] {
            assert_eq!(check_digit(known / 10), known % 10, "{known}");
        }
    }

    #[test]
    fn a_barcode_holds_its_product() {
        assert_eq!(barcode_of(ProductId(1_082_185)), format!("290001082185{}", check_digit(290_001_082_185)));
        assert_eq!(barcode_of(ProductId(25_671)).len(), 13);
    }
}
