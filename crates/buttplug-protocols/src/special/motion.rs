//! Movements in time of devices that only know jumps: a row of points, one each tenth of a second. Here they are planned: no
//! clock, time is an argument. Knows no protocol; the tests are those of the devices.

use std::time::{Duration, Instant};

/// The time between the points of a movement.
const TICK: Duration = Duration::from_millis(TICK_MS as u64);
const TICK_MS: u32 = 100;

/// Where a device is and where it is going.
#[derive(Debug, Default)]
pub(crate) struct Motion {
    /// The last point it was sent to.
    position: u32,
    last_point: Option<Instant>,
    /// `None`: at rest.
    course: Option<Course>,
}

/// A movement that has not reached its goal.
#[derive(Debug)]
struct Course {
    goal: u32,
    duration_ms: u32,
    /// The distance from point to point, at least 1.
    stride: u32,
    /// The points that the time allows, the next one included; at least 1.
    points_left: u32,
    /// When the next point is due.
    due: Instant,
}

impl Motion {
    /// Plans the way from here to `goal`. The first point is due at once, but not sooner than a tick after the last
    /// one of the movement before; from then on the last one comes no later than asked for.
    pub(crate) fn go(&mut self, now: Instant, goal: u32, duration_ms: u32) {
        // The same command again must not start its time anew, or the movement would slow down more and more. Another
        // time for the same goal is a new plan.
        if self.course.as_ref().is_some_and(|course| (course.goal, course.duration_ms) == (goal, duration_ms))
        {
            return;
        }
        let distance = goal.abs_diff(self.position);
        let ticks = (duration_ms / TICK_MS).max(1);
        self.course = (distance > 0).then(|| Course {
            goal,
            duration_ms,
            // Rounded down: rather a small step at the end than larger ones all the way.
            stride: (distance / ticks).max(1),
            points_left: ticks + 1,
            due: self.last_point.map_or(now, |last| now.max(last + TICK)),
        });
    }

    /// The last point.
    pub(crate) fn position(&self) -> u32 {
        self.position
    }

    /// When the next point is due.
    pub(crate) fn next_point(&self) -> Option<Instant> {
        self.course.as_ref().map(|course| course.due)
    }

    /// Is sent to `goal` by a single point.
    pub(crate) fn jump(&mut self, now: Instant, goal: u32) {
        *self = Self { position: goal, last_point: Some(now), course: None };
    }

    /// Stays at the last point.
    pub(crate) fn freeze(&mut self) {
        self.course = None;
    }

    /// Goes to the next point, if it is due.
    pub(crate) fn advance(&mut self, now: Instant) -> Option<u32> {
        let course = self.course.as_mut().filter(|course| course.due <= now)?;
        let remaining = course.goal.abs_diff(self.position);
        // Where rounded strides would not arrive in time, the points lie one further apart.
        let step = course.stride.max(remaining.div_ceil(course.points_left)).min(remaining);
        if course.goal > self.position {
            self.position += step;
        } else {
            self.position -= step;
        }
        // A little late, the points keep their rhythm; later, they begin a new one rather than hurry.
        let point = if now < course.due + TICK / 2 { course.due } else { now };
        self.last_point = Some(point);
        course.due = point + TICK;
        course.points_left -= 1;
        if self.position == course.goal {
            self.course = None;
        }
        Some(self.position)
    }
}
