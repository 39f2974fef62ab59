//! Cotangents of the same examples below each other, `[R B, ...]`: row r holds those of B examples.

use tch::Tensor;

use pathscope_network::NetworkError;

/// Room for `rows` entries like those of `like`, with the channels innermost.
pub(super) fn empty(like: &Tensor, rows: i64) -> Result<Tensor, NetworkError> {
    let options = (like.kind(), like.device());
    Ok(match like.size().as_slice() {
        &[_, channels, height, width] => like
            .f_new_empty([rows, height, width, channels], options)?
            .f_permute([0, 3, 1, 2])?,
        size => {
            let mut size = size.to_vec();
            if let Some(first) = size.first_mut() {
                *first = rows;
            }
            like.f_new_empty(size, options)?
        }
    })
}

/// Copies of the rows `chosen` of `stack`, each of `examples` entries, with the channels innermost:
/// an index of libtorch would change the order of the numbers and thus copy one by one.
pub(super) fn gather(
    stack: &Tensor,
    chosen: &[usize],
    examples: i64,
) -> Result<Tensor, NetworkError> {
    let rows = empty(stack, chosen.len() as i64 * examples)?;
    let mut place = 0;
    while let Some(&first) = chosen.get(place) {
        let neighbours = chosen.iter().skip(place).zip(first..);
        let together = neighbours.take_while(|&(&row, next)| row == next).count();
        let length = together as i64 * examples;
        rows.f_narrow(0, place as i64 * examples, length)?
            .f_copy_(&stack.f_narrow(0, first as i64 * examples, length)?)?;
        place += together;
    }
    Ok(rows)
}

/// How many rows like those of `stack` take at most `bytes`; at least one.
pub(super) fn together(stack: &Tensor, examples: i64, bytes: i64) -> usize {
    let elements: i64 = stack.size().iter().skip(1).product();
    let each = (elements * examples * 4).max(1);
    usize::try_from((bytes / each).max(1)).unwrap_or(1)
}
