//! A stand-in for bluetoothd: its objects and signals on D-Bus, and behind them toys that speak Lovense's protocol. It does
//! what was seen of bluetoothd 5.66: a device is an object once it was heard, its signal strength comes and goes, its
//! services stay, a link takes two seconds to end.

use dbus::Message;
use dbus::Path;
use dbus::arg::{PropMap, RefArg, Variant};
use dbus::channel::Channel;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ADAPTER: &str = "/org/bluez/hci0";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";

const SERVICE: &str = "50300001-0023-4bd4-bbd5-a6920e4c5653";
const TX: &str = "50300002-0023-4bd4-bbd5-a6920e4c5653";
const RX: &str = "50300003-0023-4bd4-bbd5-a6920e4c5653";

/// How long bluetoothd takes to end a link.
const LINK_ENDS: Duration = Duration::from_secs(2);

const ADVERTISEMENTS: Duration = Duration::from_millis(100);

/// A toy, by what it advertises and answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toy {
    pub(crate) name: &'static str,
    pub(crate) address: &'static str,
    pub(crate) kind: &'static str,
}

impl Toy {
    fn path(&self) -> String {
        format!("{ADAPTER}/dev_{}", self.address.replace(':', "_"))
    }
}

type Told = Box<dyn FnOnce(&mut World) + Send>;

/// The stand-in, on a bus. Dropping it ends it.
pub(crate) struct StandIn {
    // test -> stand-in: things to do; closed means the end.
    orders: Option<Sender<Told>>,
    heard: Arc<(Mutex<Vec<String>>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Takes bluetoothd's place on this bus, with one adapter that is on.
    pub(crate) fn start(address: &str, toys: &[Toy]) -> Self {
        let (orders, received) = channel();
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (log, address, toys) = (Arc::clone(&heard), address.to_owned(), toys.to_vec());
        let (ready, wait) = channel();
        let thread = std::thread::spawn(move || {
            let mut bus = Channel::open_private(&address).expect("a bus");
            bus.register().expect("a place on it");
            let name = Message::call_with_args(
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "RequestName",
                ("org.bluez", 0_u32),
            );
            bus.send_with_reply_and_block(name, Duration::from_secs(5)).expect("the name");
            ready.send(()).expect("the test waits");
            World::new(bus, &toys, log).run(&received);
        });
        wait.recv_timeout(Duration::from_secs(10)).expect("the stand-in starts");
        Self { orders: Some(orders), heard, thread: Some(thread) }
    }

    fn order(&self, order: impl FnOnce(&mut World) + Send + 'static) {
        let orders = self.orders.as_ref().expect("it runs");
        orders.send(Box::new(order)).expect("it runs");
    }

    /// The toy is switched off or on; off, its link ends by itself.
    pub(crate) fn switch(&self, toy: Toy, on: bool) {
        self.order(move |world| {
            world.toy(toy).on = on;
            if !on {
                world.link_ended(toy);
            }
        });
    }

    /// Somebody else has connected the toy.
    pub(crate) fn connect(&self, toy: Toy) {
        self.order(move |world| {
            world.advertise(toy);
            world.connect(toy);
        });
    }

    /// The adapter is switched off or on.
    pub(crate) fn power(&self, on: bool) {
        self.order(move |world| world.power(on));
    }

    /// Everything written so far, as `name: text`, and what was asked of the adapter's power.
    pub(crate) fn written(&self) -> Vec<String> {
        self.heard.0.lock().expect("no panic in it").clone()
    }

    /// Waits until this was written, after so many other writes; answers how many there were before it.
    pub(crate) fn wait_written(&self, from: usize, line: &str) -> usize {
        let (log, changed) = &*self.heard;
        let mut log = log.lock().expect("no panic in it");
        let until = Instant::now() + super::SOON;
        loop {
            if let Some(place) = log.iter().skip(from).position(|heard| heard == line) {
                return from + place;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{line} was not written after {from}: {log:#?}");
            log = changed.wait_timeout(log, left).expect("no panic in it").0;
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

/// A property's value.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    Path(String),
    Flag(bool),
    Strength(i16),
    Number(u32),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
}

impl Value {
    fn variant(&self) -> Variant<Box<dyn RefArg>> {
        Variant(match self {
            Self::Text(text) => Box::new(text.clone()),
            Self::Path(path) => Box::new(Path::from(path.clone())),
            Self::Flag(flag) => Box::new(*flag),
            Self::Strength(strength) => Box::new(*strength),
            Self::Number(number) => Box::new(*number),
            Self::Texts(texts) => Box::new(texts.clone()),
            Self::Bytes(bytes) => Box::new(bytes.clone()),
        })
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

type Properties = BTreeMap<&'static str, Value>;

fn map(properties: &Properties) -> PropMap {
    properties.iter().map(|(name, value)| ((*name).to_owned(), value.variant())).collect()
}

struct ToyState {
    toy: Toy,
    on: bool,
}

/// The objects, and what is to happen when.
struct World {
    bus: Channel,
    /// Each object has one interface that matters.
    objects: BTreeMap<String, (&'static str, Properties)>,
    toys: Vec<ToyState>,
    later: Vec<(Instant, Told)>,
    log: Arc<(Mutex<Vec<String>>, Condvar)>,
}

/// What a call is answered with.
enum Answer {
    Reply(Message),
    Error(&'static str, String),
    /// Later.
    Not,
}

impl World {
    fn new(bus: Channel, toys: &[Toy], log: Arc<(Mutex<Vec<String>>, Condvar)>) -> Self {
        let adapter = Properties::from([
            ("Address", text("00:1B:DC:F2:1C:01")),
            ("AddressType", text("public")),
            ("Alias", text("stand-in")),
            ("Class", Value::Number(0)),
            ("Discoverable", Value::Flag(false)),
            ("DiscoverableTimeout", Value::Number(0)),
            ("Discovering", Value::Flag(false)),
            ("Modalias", text("usb:v1D6Bp0246d0542")),
            ("Name", text("stand-in")),
            ("Pairable", Value::Flag(false)),
            ("PairableTimeout", Value::Number(0)),
            ("Powered", Value::Flag(true)),
            ("UUIDs", Value::Texts(Vec::new())),
        ]);
        let objects = BTreeMap::from([(ADAPTER.to_owned(), ("org.bluez.Adapter1", adapter))]);
        let toys = toys.iter().map(|toy| ToyState { toy: *toy, on: true }).collect();
        Self { bus, objects, toys, later: Vec::new(), log }
    }

    fn run(mut self, orders: &Receiver<Told>) {
        let mut advertise_at = Instant::now();
        loop {
            match orders.try_recv() {
                Ok(order) => order(&mut self),
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                Err(std::sync::mpsc::TryRecvError::Empty) => {}
            }
            if self.bus.read_write(Some(Duration::from_millis(5))).is_err() {
                return;
            }
            while let Some(message) = self.bus.pop_message() {
                if message.msg_type() == dbus::MessageType::MethodCall {
                    self.called(&message);
                }
            }
            let now = Instant::now();
            if self.is(ADAPTER, "Discovering") && now >= advertise_at {
                advertise_at = now + ADVERTISEMENTS;
                let on: Vec<Toy> = self.toys.iter().filter(|toy| toy.on).map(|toy| toy.toy).collect();
                on.into_iter().for_each(|toy| self.advertise(toy));
            }
            let due: Vec<Told>;
            (due, self.later) = {
                let (due, later): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
                (due.into_iter().map(|(_, act)| act).collect(), later)
            };
            due.into_iter().for_each(|act| act(&mut self));
            self.bus.flush();
        }
    }

    fn toy(&mut self, toy: Toy) -> &mut ToyState {
        self.toys.iter_mut().find(|state| state.toy.address == toy.address).expect("a known toy")
    }

    fn is(&self, path: &str, property: &str) -> bool {
        self.objects.get(path).and_then(|(_, all)| all.get(property)) == Some(&Value::Flag(true))
    }

    fn send(&self, message: Message) {
        self.bus.send(message).expect("a bus");
    }

    fn signal(&self, path: &str, interface: &str, member: &str) -> Message {
        Message::new_signal(path, interface, member).expect("good names")
    }

    fn add(&mut self, path: &str, interface: &'static str, properties: Properties) {
        let interfaces = HashMap::from([(interface.to_owned(), map(&properties))]);
        self.objects.insert(path.to_owned(), (interface, properties));
        let signal = self.signal("/", OBJECTS, "InterfacesAdded");
        self.send(signal.append2(Path::from(path.to_owned()), interfaces));
    }

    /// Sets properties; `None` takes one away.
    fn set(&mut self, path: &str, changes: &[(&'static str, Option<Value>)]) {
        let Some((interface, properties)) = self.objects.get_mut(path) else { return };
        let interface = *interface;
        let (mut changed, mut gone) = (PropMap::new(), Vec::new());
        for (name, value) in changes {
            match value {
                Some(value) => {
                    properties.insert(name, value.clone());
                    changed.insert((*name).to_owned(), value.variant());
                }
                None => {
                    properties.remove(name);
                    gone.push((*name).to_owned());
                }
            }
        }
        let signal = self.signal(path, PROPERTIES, "PropertiesChanged");
        self.send(signal.append3(interface, changed, gone));
    }

    fn advertise(&mut self, toy: Toy) {
        let path = toy.path();
        if self.is(&path, "Connected") {
            return;
        }
        if self.objects.contains_key(&path) {
            return self.set(&path, &[("RSSI", Some(Value::Strength(-50)))]);
        }
        let off = Value::Flag(false);
        let device = Properties::from([
            ("Adapter", Value::Path(ADAPTER.to_owned())),
            ("Address", text(toy.address)),
            ("AddressType", text("random")),
            ("Alias", text(toy.name)),
            ("Blocked", off.clone()),
            ("Bonded", off.clone()),
            ("Connected", off.clone()),
            ("LegacyPairing", off.clone()),
            ("Name", text(toy.name)),
            ("Paired", off.clone()),
            ("RSSI", Value::Strength(-50)),
            ("ServicesResolved", off.clone()),
            ("Trusted", off),
            ("UUIDs", Value::Texts(vec![SERVICE.to_owned()])),
        ]);
        self.add(&path, "org.bluez.Device1", device);
    }

    fn connect(&mut self, toy: Toy) {
        let path = toy.path();
        self.set(&path, &[("Connected", Some(Value::Flag(true))), ("RSSI", None)]);
        let service = format!("{path}/service000a");
        if !self.objects.contains_key(&service) {
            let of = [
                ("Device", Value::Path(path.clone())),
                ("Primary", Value::Flag(true)),
                ("UUID", text(SERVICE)),
            ];
            self.add(&service, "org.bluez.GattService1", Properties::from(of));
            let ways = ["write-without-response", "write"].map(str::to_owned).to_vec();
            for (name, uuid, flags) in [("char000b", TX, ways), ("char000d", RX, vec!["notify".to_owned()])] {
                let of = Properties::from([
                    ("Flags", Value::Texts(flags)),
                    ("Service", Value::Path(service.clone())),
                    ("UUID", text(uuid)),
                    ("Value", Value::Bytes(Vec::new())),
                ]);
                self.add(&format!("{service}/{name}"), "org.bluez.GattCharacteristic1", of);
            }
        }
        self.set(&path, &[("ServicesResolved", Some(Value::Flag(true)))]);
    }

    fn link_ended(&mut self, toy: Toy) {
        let path = toy.path();
        if self.is(&path, "Connected") {
            self.set(&format!("{path}/service000a/char000d"), &[("Notifying", Some(Value::Flag(false)))]);
            self.set(&path, &[("ServicesResolved", Some(Value::Flag(false)))]);
            self.set(&path, &[("Connected", Some(Value::Flag(false)))]);
        }
    }

    fn power(&mut self, on: bool) {
        if !on {
            let toys: Vec<Toy> = self.toys.iter().map(|toy| toy.toy).collect();
            toys.into_iter().for_each(|toy| self.link_ended(toy));
            self.set(ADAPTER, &[("Discovering", Some(Value::Flag(false)))]);
        }
        self.set(ADAPTER, &[("Powered", Some(Value::Flag(on)))]);
    }

    fn called(&mut self, call: &Message) {
        let answer = self.answer(call);
        match answer {
            Answer::Reply(reply) if !call.get_no_reply() => self.send(reply),
            Answer::Error(name, what) if !call.get_no_reply() => {
                let what = CString::new(what).expect("no zero in it");
                self.send(call.error(&name.into(), &what));
            }
            Answer::Reply(_) | Answer::Error(..) | Answer::Not => {}
        }
    }

    fn answer(&mut self, call: &Message) -> Answer {
        let path = call.path().map(|path| path.to_string()).unwrap_or_default();
        let interface = call.interface().map(|name| name.to_string()).unwrap_or_default();
        let member = call.member().map(|name| name.to_string()).unwrap_or_default();
        let done = || Answer::Reply(call.method_return());
        if member == "GetManagedObjects" {
            return Answer::Reply(call.method_return().append1(self.managed()));
        }
        if member == "Introspect" {
            return Answer::Reply(call.method_return().append1(self.introspect(&path)));
        }
        let Some((_, properties)) = self.objects.get(&path) else {
            return Answer::Error("org.freedesktop.DBus.Error.UnknownObject", format!("no object {path}"));
        };
        match (&*interface, &*member) {
            (PROPERTIES, "GetAll") => Answer::Reply(call.method_return().append1(map(properties))),
            (PROPERTIES, "Get") => {
                let (_, name): (Option<String>, Option<String>) = call.get2();
                match properties.get(&*name.unwrap_or_default()) {
                    Some(value) => Answer::Reply(call.method_return().append1(value.variant())),
                    None => {
                        Answer::Error("org.freedesktop.DBus.Error.InvalidArgs", "no such property".into())
                    }
                }
            }
            (PROPERTIES, "Set") => {
                let (_, _, value): (Option<String>, Option<String>, Option<Variant<bool>>) = call.get3();
                self.note(format!("adapter: Powered {}", value.is_some_and(|value| value.0)));
                done()
            }
            (_, "SetDiscoveryFilter") => done(),
            (_, "StartDiscovery") if !self.is(ADAPTER, "Powered") => {
                Answer::Error("org.bluez.Error.NotReady", "Resource Not Ready".into())
            }
            (_, "StartDiscovery") if self.is(ADAPTER, "Discovering") => {
                Answer::Error("org.bluez.Error.InProgress", "Operation already in progress".into())
            }
            (_, "StartDiscovery") => {
                self.set(ADAPTER, &[("Discovering", Some(Value::Flag(true)))]);
                done()
            }
            (_, "StopDiscovery") => {
                self.set(ADAPTER, &[("Discovering", Some(Value::Flag(false)))]);
                let known: Vec<Toy> = self.toys.iter().map(|toy| toy.toy).collect();
                known.iter().for_each(|toy| self.set(&toy.path(), &[("RSSI", None)]));
                done()
            }
            _ => match self.toys.iter().find(|state| path.starts_with(&state.toy.path())) {
                Some(state) => self.answer_toy(call, state.toy, &path, &member),
                None => Answer::Error("org.freedesktop.DBus.Error.UnknownMethod", member),
            },
        }
    }

    fn answer_toy(&mut self, call: &Message, toy: Toy, path: &str, member: &str) -> Answer {
        let done = || Answer::Reply(call.method_return());
        let connected = self.is(&toy.path(), "Connected");
        match member {
            "Connect" if !self.toy(toy).on => {
                Answer::Error("org.bluez.Error.Failed", "le-connection-abort-by-local".into())
            }
            "Connect" => {
                self.connect(toy);
                done()
            }
            "Disconnect" => {
                let reply = call.method_return();
                let end: Told = Box::new(move |world| {
                    world.link_ended(toy);
                    world.send(reply);
                });
                self.later.push((Instant::now() + LINK_ENDS, end));
                Answer::Not
            }
            _ if !connected => Answer::Error("org.bluez.Error.Failed", "Not connected".into()),
            "StartNotify" | "StopNotify" => {
                self.set(path, &[("Notifying", Some(Value::Flag(member == "StartNotify")))]);
                done()
            }
            "WriteValue" => {
                let data: Vec<u8> = call.get1().unwrap_or_default();
                self.written(toy, &String::from_utf8_lossy(&data));
                done()
            }
            _ => Answer::Error("org.bluez.Error.NotPermitted", format!("{member} is not permitted")),
        }
    }

    fn written(&mut self, toy: Toy, text: &str) {
        self.note(format!("{}: {text}", toy.name));
        let reply = match text {
            "DeviceType;" => format!("{}:11:0082059AD3BD;", toy.kind),
            "Battery;" => "85;".to_owned(),
            _ => return,
        };
        let rx = format!("{}/service000a/char000d", toy.path());
        if self.is(&rx, "Notifying") {
            self.set(&rx, &[("Value", Some(Value::Bytes(reply.into_bytes())))]);
        }
    }

    fn note(&self, line: String) {
        let (log, changed) = &*self.log;
        log.lock().expect("no panic in it").push(line);
        changed.notify_all();
    }

    fn managed(&self) -> HashMap<Path<'static>, HashMap<String, PropMap>> {
        let object = |(path, (interface, properties)): (&String, &(&'static str, Properties))| {
            let interfaces = HashMap::from([((*interface).to_owned(), map(properties))]);
            (Path::from(path.clone()), interfaces)
        };
        self.objects.iter().map(object).collect()
    }

    /// What bluetoothd's clients find services by: the names of the objects below.
    fn introspect(&self, path: &str) -> String {
        let below = format!("{}/", path.trim_end_matches('/'));
        let names = self.objects.keys().filter_map(|object| object.strip_prefix(&below)?.split('/').next());
        let names: std::collections::BTreeSet<&str> = names.collect();
        let nodes: String = names.into_iter().map(|name| format!("<node name=\"{name}\"/>")).collect();
        format!("<node>{nodes}</node>")
    }
}
