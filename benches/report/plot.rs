//! Nanoseconds beside those of other signers and the floor, as bars.

use std::fmt::Write;

use super::Figures;

const WIDTH: f64 = 520.0;
const LABELS: f64 = 110.0;
const BAR: f64 = 18.0;
const GAP: f64 = 6.0;
const TITLE: f64 = 26.0;

/// The cases, and the bars of each: a name, the figure, and the colour. A bar with no figure is left out.
const CASES: [(&str, &str); 4] = [
    ("post", "POST to DynamoDB, session token"),
    ("get", "GET from S3, three parameters"),
    ("presign", "presigned URL of S3"),
    ("many", "20 headers and 20 parameters"),
];
const BARS: [(&str, &str, &str); 5] = [
    ("SHA-256 alone", "floor_ns", "#9aa5b1"),
    ("tower-sigv4", "ns", "#c2410c"),
    ("aws-sigv4", "aws_sigv4_ns", "#3b6ea5"),
    ("reqsign", "reqsign_ns", "#5b8c5a"),
    ("rusty-s3", "rusty_s3_ns", "#8a6fb0"),
];

pub(crate) fn svg(figures: &Figures) -> Result<String, std::fmt::Error> {
    let mut bars = String::new();
    let mut top = GAP;
    for (case, title) in CASES {
        let of_case: Vec<_> = BARS
            .iter()
            .filter_map(|(name, figure, colour)| {
                let key = (case.to_owned(), (*figure).to_owned());
                figures.get(&key).map(|value| (name, *value, colour))
            })
            .collect();
        // Each case has a scale of its own: what is to be compared stands in one group.
        let longest = of_case.iter().map(|(_, value, _)| *value).fold(1.0, f64::max);
        let baseline = top + TITLE - 9.0;
        writeln!(bars, r#"<text x="0" y="{baseline}" font-weight="bold">{title}</text>"#)?;
        top += TITLE;
        for (name, value, colour) in of_case {
            let (length, middle) = (WIDTH * value / longest, top + BAR - 5.0);
            let (label, end) = (LABELS - 8.0, LABELS + length + 6.0);
            writeln!(bars, r#"<text x="{label}" y="{middle}" text-anchor="end">{name}</text>"#)?;
            writeln!(bars, r#"<rect x="{LABELS}" y="{top}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#)?;
            writeln!(bars, r#"<text x="{end:.1}" y="{middle}">{value:.0} ns</text>"#)?;
            top += BAR + GAP;
        }
        top += GAP;
    }
    let width = LABELS + WIDTH + 90.0;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" width=\"{width}\" height=\"{top}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         {bars}</svg>\n"
    ))
}
