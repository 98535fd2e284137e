//! What frames can hold.

use super::*;

#[test]
fn zero_can_have_a_frame_of_its_own() {
    check(
        "[write]\nvibrate = [\"if value=0: f0 00 00 00 00 ec\", \"else: ff sum(7x(value 14)) ec\"]
         rotate = [\"if value=0: a0 00 00 00 00 ec\", \"else: af sum(7x(value>0?2a:29 abs(value))) ec\"]",
        "[{ vibrate = 255 }, { rotate = [-255, 255] }]",
        r#"[[example]]
        do = ["vibrate 0 0", "vibrate 0 1", "rotate 1 -255", "stop"]
        write = ["f0 00 00 00 00 ec", "ff 01 14 01 14 01 14 01 14 01 14 01 14 01 14 93 ec",
          "af 29 ff 29 ff 29 ff 29 ff 29 ff 29 ff 29 ff 18 ec", ["f0 00 00 00 00 ec", "a0 00 00 00 00 ec"]]"#,
    );
}

#[test]
fn a_byte_can_depend_on_the_value() {
    check(
        "write = \"value=0?70:60+value 03 value>0 value=0?ff:value value+05\"",
        "[{ vibrate = 15 }]",
        "[[example]]\ndo = [\"vibrate 0 0\", \"vibrate 0 15\"]\nwrite = [\"70 03 00 ff 05\", \"6f 03 01 0f 14\"]",
    );
}

#[test]
fn a_table_gives_a_byte_for_each_value() {
    check(
        "write = \"((value0>0)+2*(value1>0))[0f 0c 0d 0b]\"",
        "[{ vibrate = 1 }, { vibrate = 1 }]",
        "[[example]]
         do = [\"vibrate 0 1\", \"vibrate 1 1\", \"vibrate 0 0\", \"stop\"]
         write = [\"0c\", \"0b\", \"0d\", \"0f\"]",
    );
}

#[test]
fn arithmetic_reaches_scaled_words() {
    check(
        "[write]\nvibrate = [\"if value=0: 03 12 00\", \"else: 03 12 (((#1023*(7*value+#3000))/#10000)<<6|3c):u16le\"]",
        "[{ vibrate = 1000 }]",
        "[[example]]
         do = [\"vibrate 0 0\", \"vibrate 0 1\", \"vibrate 0 1000\"]
         write = [\"03 12 00\", \"03 12 fc 4c\", \"03 12 fc ff\"]",
    );
}

#[test]
fn words_are_limited_to_their_place() {
    check(
        "write = \"max(value,1):u16be min(max(duration,1),#65535):u16be\"",
        "[{ timed-position = 1000, duration = 100000 }]",
        "[[example]]
         do = [\"timed-position 0 0 in 0 ms\", \"timed-position 0 1000 in 70000 ms\"]
         write = [\"00 01 00 01\", \"03 e8 ff ff\"]",
    );
}

#[test]
fn counters_count_the_frames_that_mention_them() {
    check(
        "[write]\noscillate = \"counter 02 00 03 negsum(0c value)\"\nvibrate = \"09 value\"",
        "[{ oscillate = 100 }, { vibrate = 100 }]",
        "[[example]]
         do = [\"oscillate 0 0\", \"vibrate 1 1\", \"oscillate 0 100, vibrate 1 2\", \"oscillate 0 50\"]
         write = [\"00 02 00 03 0c 00 f4\", \"09 01\", [\"01 02 00 03 0c 64 90\", \"09 02\"], \"02 02 00 03 0c 32 c2\"]",
    );
}

#[test]
fn counters_begin_again_after_255() {
    let (turns, frames): (Vec<_>, Vec<_>) = (0..=256)
        .map(|n| (format!("\"vibrate 0 {}\"", n % 9), format!("\"{:02x} {:02x}\"", n % 256, n % 9)))
        .unzip();
    check(
        "write = \"counter value\"",
        "[{ vibrate = 9 }]",
        &format!("[[example]]\ndo = [{}]\nwrite = [{}]", turns.join(", "), frames.join(", ")),
    );
}

#[test]
fn checksums_cover_what_is_said() {
    check(
        "[write]\nvibrate = \"aa 55 06 01 01 01 value fa xor\"\nconstrict = \"crc16-modbus(01 06 00 64 00 value):u16le\"
         oscillate = \"01 value crc16-xmodem:u16be\"\nrotate = \"55 sum(03 value) aa\"",
        "[{ vibrate = 3 }, { constrict = 3 }, { oscillate = 3 }, { rotate = 255 }]",
        "[[example]]
         do = [\"vibrate 0 3\", \"constrict 1 1\", \"oscillate 2 0\", \"rotate 3 153\"]
         write = [\"aa 55 06 01 01 01 03 fa 01\", \"01 06 00 64 00 01 09 d5\", \"01 00 33 31\", \"55 03 99 9c aa\"]",
    );
}

#[test]
fn frames_go_to_several_endpoints_by_several_conditions() {
    check(
        "response = true\nwrite = [
          \"if value0>0: value0\", \"else: value1\",
          \"if value0>0: 04 -> txmode\", \"if value0=0 and value1>0: 80 -> txmode, without response\",
          \"if value0=0 and value1=0: 00 -> txmode\"]",
        "[{ vibrate = 100 }, { vibrate = 100 }]",
        "[[example]]
         do = [\"vibrate 1 50\", \"vibrate 0 20\", \"stop\"]
         write = [[\"32\", \"80 -> txmode, without response\"], [\"14\", \"04 -> txmode\"], [\"00\", \"00 -> txmode\"]]",
    );
}

#[test]
fn each_output_can_have_a_place_in_a_text() {
    check(
        "[write]\n\"vibrate rotate\" = \"'Mply' each(':' abs(value):dec) ';'\"\nconstrict = \"'Air' vibrate0:dec rotate1:dec vibrate:dec ';'\"",
        "[{ vibrate = 20 }, { rotate = [-20, 20] }, { constrict = 3 }]",
        "[[example]]
         do = [\"vibrate 0 5, rotate 1 -20\", \"constrict 2 3\"]
         write = [\"'Mply:5:20:0;'\", \"'Air5-205;'\"]",
    );
}

#[test]
fn speeds_follow_from_the_way_and_the_time() {
    check(
        "write = \"03 00 kiiroo-speed(distance,duration) value\"\nkeepalive = \"2000 ms\"",
        "[{ timed-position = 99, duration = 100000 }]",
        "[[example]]
         do = [\"connect\", \"wait 3000 ms\", \"timed-position 0 99 in 500 ms\", \"wait 2000 ms\", \"timed-position 0 69 in 150 ms\",
           \"timed-position 0 69 in 300 ms\", \"timed-position 0 0 in 60 ms\"]
         write = [[], [], \"03 00 28 63\", \"03 00 28 63\", \"03 00 28 45\", \"03 00 00 45\", \"03 00 63 00\"]",
    );
}

#[test]
fn bytes_about_the_whole_device_are_written_once_whatever_their_condition_is_about() {
    check(
        "write = [\"if feature<2: 55 max(value0,value1)\", \"else: 56 value\"]",
        "[{ vibrate = 9 }, { vibrate = 9 }, { oscillate = 9 }, { oscillate = 9 }]",
        r#"[[example]]
        do = ["vibrate 0 3, vibrate 1 5", "vibrate 1 1, oscillate 2 1, oscillate 3 9", "stop"]
        write = ["55 05", ["55 03", "56 01", "56 09"], ["55 00", "56 00", "56 00"]]"#,
    );
}

#[test]
fn outputs_of_a_kind_can_have_places_of_their_own() {
    check(
        "write = \"count count-vibrate each-vibrate(feature value) ff each-rotate(value:i8)\"",
        "[{ rotate = [-9, 9] }, { vibrate = 9 }, { vibrate = 9 }, { oscillate = 9 }]",
        "[[example]]
         do = [\"vibrate 2 5\", \"rotate 0 -1, vibrate 1 9\", \"oscillate 3 1\"]
         write = [\"04 02 01 00 02 05 ff 00\", \"04 02 01 09 02 05 ff ff\", \"04 02 01 09 02 05 ff ff\"]",
    );
}
