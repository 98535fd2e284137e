//! Statements C46 to C49: the device list of version 4 and its events.

use crate::transport::on_every_way;
use crate::world::World;
use serde_json::json;

#[test]
fn c46_c49_the_list_has_every_device_with_everything_it_has_and_no_key_too_many() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        let battery = json!({"Battery": {"Value": [[0, 100]], "Command": ["Read"]}});
        let vibrate = json!({"Vibrate": {"Value": [0, 20]}});
        let expected = json!({
            "0": {"DeviceIndex": 0, "DeviceName": "Twin", "DeviceMessageTimingGap": 0, "DeviceFeatures": {
                "0": {"FeatureIndex": 0, "FeatureDescription": "Front", "Output": vibrate},
                "1": {"FeatureIndex": 1, "FeatureDescription": "Rear", "Output": vibrate},
                "2": {"FeatureIndex": 2, "FeatureDescription": "Cell", "Input": battery},
            }},
            "1": {"DeviceIndex": 1, "DeviceName": "Spinner", "DeviceMessageTimingGap": 0, "DeviceFeatures": {
                "0": {"FeatureIndex": 0, "FeatureDescription": "", "Output": vibrate},
                "1": {"FeatureIndex": 1, "FeatureDescription": "", "Output": {"Rotate": {"Value": [-20, 20]}}},
                "2": {"FeatureIndex": 2, "FeatureDescription": "", "Input": battery},
            }},
            "2": {"DeviceIndex": 2, "DeviceName": "Stroker", "DeviceMessageTimingGap": 0, "DeviceFeatures": {
                "0": {"FeatureIndex": 0, "FeatureDescription": "Shaft", "Output": {
                    "Position": {"Value": [0, 999]},
                    "HwPositionWithDuration": {"Value": [0, 999], "Duration": [0, 99999]},
                }},
            }},
            "3": {"DeviceIndex": 3, "DeviceName": "Pump", "DeviceDisplayName": "Blue", "DeviceMessageTimingGap": 0,
                "DeviceFeatures": {
                    "0": {"FeatureIndex": 0, "FeatureDescription": "Multi", "Output": {
                        "Vibrate": {"Value": [0, 10]},
                        "Constrict": {"Value": [0, 3]},
                        "Oscillate": {"Value": [0, 7]},
                    }},
                    "5": {"FeatureIndex": 5, "FeatureDescription": "Lamp", "Output": {"Led": {"Value": [0, 1]}}},
                    "6": {"FeatureIndex": 6, "FeatureDescription": "Bulb",
                        "Input": {"Pressure": {"Value": [[0, 500]], "Command": ["Subscribe"]}}},
                }},
        });
        assert_eq!(s4.lists().await, expected);
    });
}

#[test]
fn c47_without_devices_the_list_is_empty() {
    on_every_way(async |way| {
        let mut s4 = World::empty(way).await.session(4).await;
        s4.says(r#"[{"RequestDeviceList":{"Id":2}}]"#).await;
        assert_eq!(s4.hears().await, json!({"DeviceList": {"Id": 2, "Devices": {}}}));
    });
}

#[test]
fn c48_a_device_that_comes_or_goes_is_a_list_without_request() {
    on_every_way(async |way| {
        let mut world = World::empty(way).await;
        world.add("twin").await;
        let mut s4 = world.session(4).await;
        let alone = s4.lists().await;
        world.add("pump").await;
        let event = s4.hears().await;
        let both = s4.lists().await;
        assert_eq!(
            (both["0"]["DeviceName"].as_str(), both["1"]["DeviceName"].as_str()),
            (Some("Twin"), Some("Pump"))
        );
        assert_eq!(event, json!({"DeviceList": {"Id": 0, "Devices": both}}));
        world.devices[1].vanish();
        assert_eq!(s4.hears().await, json!({"DeviceList": {"Id": 0, "Devices": alone}}));
        s4.hears_nothing().await;
    });
}
