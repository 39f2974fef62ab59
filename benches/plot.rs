//! What drawing a chart of 10,000 points costs, as SVG, PDF and PNG: `cargo bench --bench plot`. It is CPU
//! time where the system states it, so that other programs do not count.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::sync::LazyLock;
use std::time::Instant;

use pathscope::report::picture::{Axis, Chart, Content, Marker, Picture, Point, Series};
use pathscope::report::{Colour, Theme, pdf, png};

fn main() -> Result<(), Box<dyn Error>> {
    let points = (0..10_000).map(|index| {
        let x = f64::from(index) / 10_000.0;
        Point {
            interval: Some((x.sin() - 0.1, x.sin() + 0.1)),
            hover: format!("value {index}"),
            ..Point::at(
                x,
                x.sin() + 0.05 * f64::from(index * 7_919 % 101 - 50) / 50.0,
            )
        }
    });
    let points = points.collect();
    let series = Series::points("10,000 points", Colour::Blue, Marker::Disc, points);
    let picture = Picture {
        kind: "bench",
        title: "10,000 points".into(),
        description: "A cloud of points about a sine.".into(),
        content: Content::Chart(Chart {
            x: Axis::new("x"),
            y: Axis::new("sine of x"),
            series: vec![series],
            ..Chart::default()
        }),
    };
    let mut best = [f64::INFINITY; 3];
    let mut bytes = 0;
    for _ in 0..5 {
        let begin = seconds();
        let svg = picture.svg(Theme::Light)?;
        best[0] = best[0].min(seconds() - begin);
        bytes = svg.len();
        let begin = seconds();
        pdf(&svg, &picture.title)?;
        best[1] = best[1].min(seconds() - begin);
        let begin = seconds();
        png(&svg, 300)?;
        best[2] = best[2].min(seconds() - begin);
    }
    println!(
        "10,000 points, best of 5: SVG {:.3} s ({bytes} bytes), PDF {:.3} s more, PNG of 300 dpi \
         {:.3} s more",
        best[0], best[1], best[2]
    );
    Ok(())
}

/// Seconds that this thread was on a CPU (Linux), or that have passed.
fn seconds() -> f64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let stated = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stated.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(
        || BEGIN.elapsed().as_secs_f64(),
        |nanoseconds| 1e-9 * nanoseconds,
    )
}
