//! What is remembered of a bridge, without a socket.

use super::*;
use buttplug_protocols::catalogue::SerialSettings;
use buttplug_protocols::sighting::Uuid;

const TX: &str = "00000011-0000-0000-0000-000000000000";
const RX: &str = "00000012-0000-0000-0000-000000000000";

/// A Bluetooth device with `tx` at one place, `rx` and `rxtouch` at another.
fn bridge() -> Bridge {
    let uuid = |text: &str| text.parse::<Uuid>().unwrap();
    let service = Uuid(1);
    let transport = Transport::Bluetooth(BTreeMap::from([(service, vec![uuid(TX), uuid(RX)])]));
    let endpoints =
        BTreeMap::from([(Endpoint::Tx, uuid(TX)), (Endpoint::Rx, uuid(RX)), (Endpoint::RxTouch, uuid(RX))]);
    let mut bridge = Bridge::new("127.0.0.1:5".parse().unwrap(), transport);
    let wiring = Wiring::Bluetooth(BTreeMap::from([(service, endpoints)]));
    let found = bridge.wire(&[&Wiring::Direct, &wiring]).unwrap();
    assert_eq!(found, (1, vec![Endpoint::Tx, Endpoint::Rx, Endpoint::RxTouch]));
    bridge
}

fn hear(bridge: &mut Bridge, text: &str) -> Heard {
    bridge.hear(&Received::Text(Bytes::copy_from_slice(text.as_bytes())))
}

fn notify(bridge: &mut Bridge, characteristic: &str) -> Heard {
    hear(bridge, &format!(r#"{{"notify":{{"characteristic":"{characteristic}","data":"07"}}}}"#))
}

fn ends(heard: &Heard, expected: CloseCode) -> bool {
    matches!(heard, Heard::End { code, .. } if *code == expected)
}

#[test]
fn ids_count_up_from_1_and_each_answer_finds_its_question() {
    let mut bridge = bridge();
    let mut first = bridge.ask(Request::Read { length: 1 }, Endpoint::Rx).unwrap();
    let mut second = bridge.ask(Request::Write { data: &[1] }, Endpoint::Tx).unwrap();
    assert_eq!((first.id, second.id), (1, 2));
    assert!(first.text.starts_with(r#"{"id":1,"read":"#) && second.text.starts_with(r#"{"id":2,"write":"#));
    assert_eq!(hear(&mut bridge, r#"{"id":2,"ok":{}}"#), Heard::Nothing);
    assert_eq!(second.answer.try_recv(), Ok(Answer::Ok));
    assert_eq!(hear(&mut bridge, r#"{"id":1,"data":"55"}"#), Heard::Nothing);
    assert_eq!(first.answer.try_recv(), Ok(Answer::Data(vec![0x55])));
}

#[test]
fn late_and_repeated_answers_are_ignored_and_those_to_nothing_end_the_line() {
    let mut bridge = bridge();
    let question = bridge.ask(Request::Subscribe, Endpoint::Rx).unwrap();
    bridge.forget(question.id);
    for _ in 0..2 {
        assert_eq!(hear(&mut bridge, r#"{"id":1,"ok":{}}"#), Heard::Nothing);
    }
    for id in ["0", "2", "18446744073709551615"] {
        let heard = hear(&mut bridge, &format!(r#"{{"id":{id},"ok":{{}}}}"#));
        assert!(ends(&heard, CloseCode::Protocol), "{heard:?}");
    }
}

#[test]
fn a_bridge_that_leaves_everything_unanswered_is_asked_for_no_more() {
    let mut bridge = bridge();
    let mut questions = Vec::new();
    for _ in 0..MAX_REQUESTS {
        questions.push(bridge.ask(Request::Subscribe, Endpoint::Rx).unwrap());
    }
    let error = bridge.ask(Request::Subscribe, Endpoint::Rx).err().unwrap();
    assert!(error.to_string().contains("127.0.0.1:5"), "{error}");
    bridge.forget(7);
    assert!(bridge.ask(Request::Subscribe, Endpoint::Rx).is_ok());
    bridge.ended();
    assert!(questions.iter_mut().all(|question| question.answer.try_recv().is_err()));
}

#[test]
fn notifications_go_to_whoever_has_subscribed_their_characteristic() {
    let mut bridge = bridge();
    assert_eq!(notify(&mut bridge, RX), Heard::Nothing);
    assert_eq!(bridge.listen(Endpoint::RxTouch), Ok(true));
    let heard = |endpoint| Heard::Notification { endpoint, data: Bytes::from_static(&[7]) };
    assert_eq!(notify(&mut bridge, RX), heard(Endpoint::RxTouch), "before the answer as well");
    assert_eq!(notify(&mut bridge, TX), Heard::Nothing);
    assert_eq!(notify(&mut bridge, "00000099-0000-0000-0000-000000000000"), Heard::Nothing);
    bridge.listened(Endpoint::RxTouch, false);
    assert_eq!(notify(&mut bridge, RX), Heard::Nothing, "the bridge refused");
}

#[test]
fn a_bridge_is_told_of_subscriptions_once_for_each_characteristic() {
    let mut bridge = bridge();
    assert_eq!(bridge.unlisten(Endpoint::Rx), Ok(false), "nobody listened");
    assert_eq!(bridge.listen(Endpoint::Rx), Ok(true));
    assert_eq!(bridge.listen(Endpoint::Rx), Ok(true), "not confirmed yet");
    bridge.listened(Endpoint::Rx, true);
    assert_eq!(bridge.listen(Endpoint::Rx), Ok(false));
    assert_eq!(bridge.listen(Endpoint::RxTouch), Ok(false), "the same characteristic");
    assert_eq!(bridge.unlisten(Endpoint::Rx), Ok(false), "the other still listens");
    assert_eq!(bridge.unlisten(Endpoint::RxTouch), Ok(true));
    assert_eq!(bridge.unlisten(Endpoint::RxTouch), Ok(false));
    let missing = Err(HardwareError::NoEndpoint(Endpoint::Firmware));
    assert_eq!(
        (bridge.listen(Endpoint::Firmware), bridge.unlisten(Endpoint::Firmware)),
        (missing.clone(), missing)
    );
}

#[test]
fn a_bridge_is_accepted_once_and_parted_from_as_is_fit() {
    let mut bridge = bridge();
    assert_eq!(bridge.last_words("no"), r#"{"rejected":{"reason":"no"}}"#);
    assert_eq!(bridge.accept("x").as_deref(), Some(r#"{"accepted":{"protocol":"x"}}"#));
    assert_eq!(bridge.accept("x"), None);
    assert_eq!(bridge.last_words("no"), r#"{"disconnect":{}}"#);
}

#[test]
fn what_a_bridge_may_not_say_ends_the_line_and_so_does_gone() {
    let mut bridge = bridge();
    let cases = [
        ("{", CloseCode::Protocol),
        (r#"{"unknown":{}}"#, CloseCode::Protocol),
        (&" ".repeat(8193), CloseCode::Size),
        (r#"{"gone":{}}"#, CloseCode::Normal),
    ];
    for (text, code) in cases {
        let heard = hear(&mut bridge, text);
        assert!(ends(&heard, code), "{text}: {heard:?}");
    }
    let binary = bridge.hear(&Received::Binary(Bytes::from_static(b"{\"gone\":{}}")));
    assert!(ends(&binary, CloseCode::Unsupported), "{binary:?}");
    assert_eq!(hear(&mut bridge, r#"{"rssi":-58}"#), Heard::Nothing);
}

#[test]
fn where_there_are_no_characteristics_endpoints_have_their_names() {
    let mut bridge = Bridge::new("127.0.0.1:5".parse().unwrap(), Transport::Serial);
    let settings = SerialSettings { baud_rate: 9600, data_bits: 8, parity: 'N', stop_bits: 1 };
    assert_eq!(bridge.wire(&[&Wiring::Serial(settings)]), Ok((0, Vec::new())));
    let question = bridge.ask(Request::Write { data: &[9] }, Endpoint::Tx).unwrap();
    assert_eq!(question.text, r#"{"id":1,"write":{"endpoint":"tx","data":"09","response":true}}"#);
    assert_eq!(bridge.listen(Endpoint::Rx), Ok(true));
    let heard = hear(&mut bridge, r#"{"notify":{"endpoint":"rx","data":"07"}}"#);
    assert_eq!(heard, Heard::Notification { endpoint: Endpoint::Rx, data: Bytes::from_static(&[7]) });
    assert_eq!(hear(&mut bridge, r#"{"notify":{"endpoint":"tx","data":"07"}}"#), Heard::Nothing);
}
