//! Statements C39 to C41: the search for devices.

use crate::transport::on_every_way;
use crate::world::World;
use serde_json::json;

#[test]
fn c39_searching_twice_is_one_search() {
    on_every_way(async |way| {
        let world = World::new(way).await;
        let mut s4 = world.session(4).await;
        let before = world.searcher.searches();
        s4.gets_ok("StartScanning", json!({})).await;
        s4.gets_ok("StartScanning", json!({})).await;
        world.searcher.searches_on(true).await;
        s4.hears_nothing().await;
        assert_eq!(world.searcher.searches(), before + 1);
    });
}

#[test]
fn c40_ending_no_search_is_ok_and_no_event() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.gets_ok("StopScanning", json!({})).await;
        s4.hears_nothing().await;
    });
}

#[test]
fn c41_the_end_of_a_search_is_one_event_after_the_ok() {
    on_every_way(async |way| {
        let mut s4 = World::new(way).await.session(4).await;
        s4.gets_ok("StartScanning", json!({})).await;
        s4.gets_ok("StopScanning", json!({})).await;
        assert_eq!(s4.hears().await, json!({"ScanningFinished": {"Id": 0}}));
        s4.hears_nothing().await;
        s4.gets_ok("StopScanning", json!({})).await;
        s4.hears_nothing().await;
    });
}
