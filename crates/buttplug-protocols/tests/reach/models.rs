//! How models are found, and what they may be without.

use super::*;

#[test]
fn models_are_found_by_what_is_read() {
    check(
        "identify = \"read rxblemodel as hex\"\nwrite = \"kind value\"",
        "[{ vibrate = 9 }]\nconstants = { kind = 1 }",
        r#"[[model]]
        names."Y" = "2205"
        constants = { kind = 2 }
        [[example]]
        do = "identify"
        write = "read rxblemodel"
        hears = "rxblemodel: 22 05"
        identifier = "2205"
        [[example]]
        do = "vibrate 0 5"
        write = "01 05"
        [[example]]
        model = "2205"
        do = "vibrate 0 5"
        write = "02 05""#,
    );
}

#[test]
fn models_are_found_by_a_part_of_the_name() {
    check(
        "identify = [\"name A_(*)_*\", \"name ?(??)*\"]\nwrite = \"kind value\"",
        "[{ vibrate = 9 }]\nconstants = { kind = 1 }",
        r#"[[model]]
        names."Y" = "hw"
        constants = { kind = 2 }
        [[example]]
        do = "identify"
        name = "A_hw_12"
        identifier = "hw"
        [[example]]
        do = "identify"
        name = "xhw"
        identifier = "hw"
        [[example]]
        do = "identify"
        name = "hw"
        identifier = ""
        [[example]]
        model = "hw"
        do = "vibrate 0 5"
        write = "02 05""#,
    );
}

#[test]
fn models_can_be_known_and_not_driven() {
    let text = format!(
        "write = \"kind value\"\n{HARDWARE}\n[[model]]\nnot-driven = \"it has no motor\"\nfallback = \"Ring\"
         [[model]]\nnames.X = \"X\"\nconstants.kind = 1\nfeatures = [{{ vibrate = 1 }}]
         [[example]]\nmodel = \"X\"\ndo = \"vibrate 0 1\"\nwrite = \"01 01\"
         [[example]]\nname = \"Y\"\ndo = \"identify\"\nidentifier = \"Y\"\n"
    );
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("reach.toml", &text).unwrap();
    let candidate = catalogue.protocol("reach").unwrap();
    let sighting = Vector::default().sighting();
    for vector in &parse("reach.toml", &text).unwrap().vectors {
        rehearse(&candidate, vector, Instant::now()).unwrap();
    }
    let build = |identifier, model: &Model| {
        candidate.build(Setup { identifier, model, sighting: &sighting, endpoints: &[], seed: 0 }).err()
    };
    let (ring, driven) = (candidate.model(None).unwrap(), candidate.model(Some("X")).unwrap());
    assert_eq!(build(None, &ring).as_deref(), Some("Ring is known, but not driven: it has no motor"));
    assert_eq!(build(Some("X"), &driven), None);
    assert_eq!(build(None, &driven), None, "what a person has described is theirs to drive");
    let alone =
        "[[websocket]]\nnames = [\"x\"]\n[[model]]\nnot-driven = \"nobody knows how\"\nfallback = \"Egg\"\n";
    assert!(parse("alone.toml", alone).is_ok());
    let error = first_error(&format!("{alone}features = [{{ vibrate = 1 }}]"), "");
    assert!(error.starts_with("wrong.toml:6:12: what is not driven has no `features`"), "{error}");
}

#[test]
fn code_is_no_way_to_an_output_that_does_not_hear_of_a_stop() {
    for code in ["lelo", "joyhub", "cueme", "umove", "onyx"] {
        let text = |write: &str| {
            let example = "[[example]]\ndo = \"vibrate 0 1\"\nfeatures = [{ vibrate = 1 }]";
            let model = "[[model]]\nfallback = \"X\"\nfeatures = [{ vibrate = 1 }, { oscillate = 9 }]";
            format!("code = \"{code}\"\n{write}\n{HARDWARE}{model}\n{example}\n")
        };
        let error = parse("reach.toml", &text("write = \"if value>0: value\"")).unwrap_err()[0].to_string();
        assert!(error.contains("nothing is written when vibrate of feature 0 is stopped"), "{error}");
        let error = parse("reach.toml", &text("write = \"value*30\"")).unwrap_err()[0].to_string();
        assert!(error.contains("`oscillate 1 6` does not fit its place"), "{error}");
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("reach.toml", &text("write.vibrate = \"value\"")).unwrap();
        let candidate = catalogue.protocol("reach").unwrap();
        let (model, sighting) = (candidate.model(None).unwrap(), Vector::default().sighting());
        let setup = Setup { identifier: None, model: &model, sighting: &sighting, endpoints: &[], seed: 0 };
        let refused = candidate.build(setup).err();
        assert_eq!(refused.as_deref(), Some("there is no command for Oscillate of feature 1"), "{code}");
    }
}

#[test]
fn a_read_that_fails_leaves_the_next_way_if_there_is_one() {
    for (ways, ends_well) in
        [(r#"["read rxblemodel as hex", "name"]"#, true), (r#""read rxblemodel as hex""#, false)]
    {
        let text = format!(
            "identify = {ways}\nwrite = \"value\"\n{HARDWARE}\n[[model]]\nfallback = \"X\"\nfeatures = [{{ vibrate = 1 }}]
             [[example]]\ndo = \"identify\"\nname = \"Y\"\nwrite = \"read rxblemodel\"\nidentifier = \"Y\""
        );
        let file = parse("reach.toml", &text).unwrap();
        let mut catalogue = Catalogue::builtin();
        catalogue.add_definition("reach.toml", &text).unwrap();
        let rehearsed = rehearse(&catalogue.protocol("reach").unwrap(), &file.vectors[0], Instant::now());
        assert_eq!(rehearsed.is_ok(), ends_well, "{ways}: {rehearsed:?}");
    }
}

#[test]
fn what_is_read_and_is_no_text_leaves_the_next_way() {
    check(
        "identify = [\"read rxblemodel as text\", \"name\"]\nwrite = \"value\"",
        "[{ vibrate = 9 }]",
        r#"[[example]]
        do = "identify"
        name = "Y"
        write = "read rxblemodel"
        hears = "rxblemodel: ff"
        identifier = "Y"
        [[example]]
        do = "identify"
        name = "Y"
        write = "read rxblemodel"
        hears = "rxblemodel: 'Z'"
        identifier = "Z""#,
    );
}
