//! The limits of the bus, each with its reason.

use std::time::Duration;

/// The least time between writes to a device, unless its model says otherwise. Links of toys have connection intervals
/// of 15 to 50 ms; what comes faster queues up in the system, in front of a stop.
pub const MESSAGE_GAP: Duration = Duration::from_millis(75);

/// The longest that a call to open hardware may take. Reads and confirmed writes of a healthy link take some tens of
/// milliseconds.
pub const CALL_TIME: Duration = Duration::from_secs(5);

/// Calls to one piece of hardware that may wait. The server makes a few at a time.
pub const MAX_WAITING_CALLS: usize = 64;

/// The longest that connecting may take, its further tries and the discovery of services included.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// How often a connection that fails is tried within that time. Radios miss the moment now and then.
pub const CONNECT_TRIES: u32 = 3;

/// The pause between these tries.
pub const CONNECT_PAUSE: Duration = Duration::from_millis(250);

/// The longest that closing waits for the hardware to have heard the last writes.
pub const FLUSH_TIME: Duration = Duration::from_millis(400);

/// The longest that closing waits for the link to end. The system takes two to three seconds, needs nobody for it, and
/// sends meanwhile what was written before.
pub const DISCONNECT_WAIT: Duration = Duration::from_millis(200);

/// The longest that closing takes, of one piece of hardware or of all that is open when the bus ends: the two above, and
/// some room.
pub const CLOSE_TIME: Duration = Duration::from_secs(1);

/// The longest that the end of a link is watched in the background, and that opening the same hardware again waits for
/// it.
pub const DISCONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a device that was lost in use is sought without a client's search.
pub const SEEK_TIME: Duration = Duration::from_secs(300);

/// For how much of that time the radio listens all the time. Most devices come back at once or after a while. What may
/// be running is searched for by the server from then on.
pub const SEEK_EAGERLY: Duration = Duration::from_secs(60);

/// How long it listens at a time afterwards: devices advertise several times a second.
pub const SEEK_LISTENS: Duration = Duration::from_secs(4);

/// How long it rests between.
pub const SEEK_RESTS: Duration = Duration::from_secs(8);

/// Devices that are sought at a time.
pub const MAX_SOUGHT: usize = 64;

/// Hardware that is remembered in a search. Phones change their addresses and fill any list.
pub const MAX_SEEN: usize = 1024;

/// The least time between two looks at what one piece of hardware says of itself.
pub const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Looks under way at a time. Each is a few calls to the system's Bluetooth service.
pub const MAX_LOOKS: usize = 8;

/// Until hardware that could not be opened is reported again; doubled with each further failure.
pub const FIRST_REPORT_PAUSE: Duration = Duration::from_secs(5);

/// The longest of these pauses. Hardware that was lost in use may be running, and has always the first.
pub const LONGEST_REPORT_PAUSE: Duration = Duration::from_secs(60);

/// How often the adapters are looked at while somebody needs one and none can be used.
pub const SURVEY_WITHOUT: Duration = Duration::from_secs(2);

/// How often they are looked at while one is in use. That they are switched off is heard at once; that they are
/// pulled out shows here at the latest.
pub const SURVEY_WITH: Duration = Duration::from_secs(5);

/// Looks at the adapters that may fail in a row before they count as gone, and the links over them as lost. One that
/// fails says more about a busy system than about the adapters.
pub const MAX_FAILED_SURVEYS: u32 = 3;

/// How often a scan is asked for again. Systems end scans for reasons of their own.
pub const RESCAN: Duration = Duration::from_secs(20);

/// The pause after a scan could not be begun.
pub const SCAN_RETRY: Duration = Duration::from_secs(3);

/// The longest that a call about adapters, scans or advertisements may take.
pub const CHORE_TIME: Duration = Duration::from_secs(5);

/// How long is looked whether a link that seems lost is up all the same. The hardware is not opened again before that.
pub const LOST_LOOK_TIME: Duration = Duration::from_secs(1);

/// Reports of the radio that may wait. When it is full advertisements are dropped, and come again; the end of a link
/// never is.
pub const MAX_WAITING_REPORTS: usize = 256;

/// Unconfirmed writes that the hardware may not have heard yet. Systems take any number of them and send them when the
/// link allows, so that a stop would wait behind them. A usual link carries this many in some 50 ms.
pub const MAX_UNPROVED: u64 = 6;

/// After how many unconfirmed writes it is found out whether they have arrived.
pub const PROOF_AFTER: u64 = 3;

/// A proof that takes longer shows a slow link.
pub const SLOW_PROOF: Duration = Duration::from_millis(200);

/// Unconfirmed writes under way on such a link, and proof after each: where one takes 100 ms, these and the proof take
/// 0.3 s.
pub const MAX_UNPROVED_SLOW: u64 = 2;

/// How long a write waits for the answer to an earlier request before it is sent without confirmation, where that is
/// possible. Less than a stop waits for a confirmation.
pub const CONFIRMATION_PATIENCE: Duration = Duration::from_millis(120);

/// How long a write waits for that proof; while there is none, what waits is let through each time this has passed: one
/// value, or all zeros of a stop. Hardware that does not answer at all must get its stop nevertheless, and on a link that
/// stands still for ten seconds there are then a dozen values in front of it, not a hundred.
pub const PROOF_PATIENCE: Duration = Duration::from_millis(700);

/// Reads in a row that bring no proof before it is looked for in writes. One may fail because the system was busy.
pub const MAX_MISSED_PROOFS: u32 = 3;

/// The pause after such a read.
pub const PROOF_RETRY: Duration = Duration::from_millis(100);

/// Until reading is tried again when it was given up. What ailed it may have passed, and the link may be up for hours.
pub const PROOF_AGAIN: Duration = Duration::from_secs(60);
