//! Values from elsewhere that tests compare with.

/// The rows of a table of `N` numbers each.
pub(crate) fn table<const N: usize>(text: &str) -> impl Iterator<Item = [f64; N]> {
    let rows = text.lines().filter(|row| !row.trim().is_empty());
    rows.map(|row| {
        let numbers = row.split_whitespace().map(|number| number.parse().unwrap());
        numbers.collect::<Vec<f64>>().try_into().unwrap()
    })
}
