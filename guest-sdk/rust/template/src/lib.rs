//! Functions for Flowgate jobs. `flowgate plugin build` builds the component.

use flowgate_sdk::{Failure, Row};

/// The columns that `parse` reads: one field each.
#[derive(Debug, Row)]
pub struct Line<'a> {
    pub text: &'a str,
}

/// The columns that `parse` makes.
#[derive(Debug, PartialEq, Row)]
pub struct Reading<'a> {
    pub sensor: &'a str,
    pub celsius: f64,
}

/// Parses a line such as `kitchen 21.5`.
#[flowgate_sdk::transform]
pub fn parse<'a>(line: Line<'a>) -> Result<Reading<'a>, Failure> {
    let Some((sensor, celsius)) = line.text.split_once(' ') else {
        return Err(Failure::new("expected a sensor, a blank and a temperature, as in `kitchen 21.5`"));
    };
    Ok(Reading { sensor, celsius: celsius.parse()? })
}

flowgate_sdk::plugin! { transforms: [parse] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading() {
        let reading = parse(Line { text: "kitchen 21.5" });
        assert_eq!(reading, Ok(Reading { sensor: "kitchen", celsius: 21.5 }));
    }

    #[test]
    fn a_line_that_is_none() {
        assert!(parse(Line { text: "kitchen" }).is_err());
        assert!(parse(Line { text: "kitchen warm" }).is_err());
    }
}
