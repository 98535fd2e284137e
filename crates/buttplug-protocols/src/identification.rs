//! Finds the model as a definition's `identify` says: by what was advertised, or by reading. Knows no catalogue.

use crate::definition::{IdentifierForm, Identify};
use crate::notation::step::READ_LENGTH;
use crate::protocol::{Heard, Identification, Step, Turn};
use crate::sighting::{Advertisement, Sighting};

/// The ways to the identifier, tried one after the other.
#[derive(Debug)]
pub(crate) struct Ways {
    ways: Vec<Identify>,
    place: usize,
    name: String,
    manufacturer_data: Vec<(u16, Vec<u8>)>,
}

impl Ways {
    pub(crate) fn new(ways: &[Identify], sighting: &Sighting) -> Self {
        let manufacturer_data = match &sighting.advertisement {
            Advertisement::Bluetooth { manufacturer_data, .. } => manufacturer_data.clone(),
            _ => Vec::new(),
        };
        Self { ways: ways.to_vec(), place: 0, name: sighting.name().to_owned(), manufacturer_data }
    }
}

impl Identification for Ways {
    fn next(&mut self, heard: Heard<'_>) -> Turn<Option<String>> {
        match (heard, self.ways.get(self.place)) {
            (Heard::Failed(reason), _) if self.place + 1 >= self.ways.len() => {
                return Turn::Fail(reason.to_owned());
            }
            (Heard::Data(data), Some(Identify::Read(_, form))) => {
                // More than was asked for names no model.
                let asked = data.get(..usize::from(READ_LENGTH)).unwrap_or(data);
                if let Some(identifier) = form.identifier(asked) {
                    return Turn::Done(Some(identifier));
                }
                self.place += 1;
            }
            (Heard::Start, _) => self.place = 0,
            _ => self.place += 1,
        }
        for (place, way) in self.ways.iter().enumerate().skip(self.place) {
            self.place = place;
            match way {
                Identify::Name if !self.name.is_empty() => return Turn::Done(Some(self.name.clone())),
                Identify::Name => {}
                Identify::PartOfName(part) => {
                    if let Some(part) = part.of(&self.name).filter(|part| !part.is_empty()) {
                        return Turn::Done(Some(part.to_owned()));
                    }
                }
                Identify::Manufacturer(company, form) => {
                    let fits = |(id, _): &&(u16, Vec<u8>)| company.is_none_or(|company| company == *id);
                    if let Some((_, data)) = self.manufacturer_data.iter().find(fits) {
                        return Turn::Done(form.identifier(data));
                    }
                }
                Identify::Read(endpoint, _) => {
                    return Turn::Do(Step::Read { endpoint: *endpoint, length: READ_LENGTH });
                }
            }
        }
        Turn::Done(None)
    }
}

impl IdentifierForm {
    /// The identifier in `data`.
    pub(crate) fn identifier(self, data: &[u8]) -> Option<String> {
        match self {
            Self::U32Be => Some(<[u8; 4]>::try_from(data).map_or(0, u32::from_be_bytes).to_string()),
            Self::Hex => Some(data.iter().map(|byte| format!("{byte:02x}")).collect()),
            Self::Text => {
                let text = std::str::from_utf8(data).ok()?;
                Some(text.chars().filter(|c| *c != '\0').collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Endpoint;

    fn sighting(name: &str, manufacturer_data: &[(u16, &[u8])]) -> Sighting {
        Sighting::new(
            "",
            Advertisement::Bluetooth {
                name: name.into(),
                manufacturer_data: manufacturer_data.iter().map(|(id, data)| (*id, data.to_vec())).collect(),
                services: Vec::new(),
            },
        )
    }

    #[test]
    fn the_first_way_that_is_open_is_taken() {
        let ways = [
            Identify::Manufacturer(Some(93), IdentifierForm::U32Be),
            Identify::Manufacturer(None, IdentifierForm::U32Be),
            Identify::Read(Endpoint::RxBleModel, IdentifierForm::Hex),
        ];
        let found = |sighting: &Sighting| Ways::new(&ways, sighting).next(Heard::Start);
        let done = |text: &str| Turn::Done(Some(String::from(text)));
        assert_eq!(found(&sighting("", &[(7, &[0, 0, 0, 1]), (93, &[0, 0, 0x27, 0xb0])])), done("10160"));
        assert_eq!(found(&sighting("", &[(7, &[0, 0, 0, 1])])), done("1"));
        assert_eq!(found(&sighting("", &[(93, &[0, 0])])), done("0"));
        assert!(matches!(
            found(&sighting("", &[])),
            Turn::Do(Step::Read { endpoint: Endpoint::RxBleModel, .. })
        ));
    }

    #[test]
    fn what_is_read_becomes_the_identifier_and_a_failed_read_an_error() {
        let cases: [(IdentifierForm, &[u8], Option<&str>); 5] = [
            (IdentifierForm::Hex, &[0x20, 0x01], Some("2001")),
            (IdentifierForm::Hex, &[], Some("")),
            (IdentifierForm::Text, b"ab\0c\0", Some("abc")),
            (IdentifierForm::Text, &[0xff], None),
            (IdentifierForm::U32Be, &[0xff, 0xff, 0xff, 0xff], Some("4294967295")),
        ];
        for (form, data, expected) in cases {
            let mut ways = Ways::new(&[Identify::Read(Endpoint::Rx, form)], &sighting("x", &[]));
            assert!(matches!(ways.next(Heard::Start), Turn::Do(_)));
            assert_eq!(ways.next(Heard::Data(data)), Turn::Done(expected.map(String::from)));
        }
        let mut ways = Ways::new(&[Identify::Read(Endpoint::Rx, IdentifierForm::Hex)], &sighting("x", &[]));
        ways.next(Heard::Start);
        assert_eq!(ways.next(Heard::Failed("gone")), Turn::Fail("gone".into()));
    }

    #[test]
    fn an_identifier_has_an_end_even_if_the_answer_has_none() {
        let mut ways = Ways::new(&[Identify::Read(Endpoint::Rx, IdentifierForm::Hex)], &sighting("x", &[]));
        ways.next(Heard::Start);
        let Turn::Done(Some(found)) = ways.next(Heard::Data(&[0x10; 5000])) else { panic!("no identifier") };
        assert_eq!(found.len(), 2 * usize::from(READ_LENGTH));
    }

    #[test]
    fn hardware_without_a_name_has_no_identifier() {
        assert_eq!(Ways::new(&[Identify::Name], &sighting("", &[])).next(Heard::Start), Turn::Done(None));
    }
}
