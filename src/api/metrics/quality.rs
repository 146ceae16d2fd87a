//! How good the calls sounded: histograms over legs that have ended, by direction as seen from here.

use super::Page;
use crate::events::media::{MediaReport, MediaTrouble};
use std::collections::BTreeMap;

const MOS: [f32; 9] = [1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.4];
const LOSS: [f32; 8] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const JITTER_S: [f32; 7] = [0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1];
const ROUND_TRIP_S: [f32; 7] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0];

/// Values counted by the first of the bounds that they do not pass; not cumulative.
#[derive(Clone, Debug)]
struct Histogram {
    bounds: &'static [f32],
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f32]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, value: f32) {
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.counts[at] += 1;
        self.sum += f64::from(value);
    }

    fn write(&self, out: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let (bucket, mut below) = (format!("{name}_bucket"), 0);
        let bounds = self.bounds.iter().map(f32::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.counts) {
            below += count;
            out.sample(&bucket, &[labels, &[("le", &bound)]].concat(), below);
        }
        out.line(&format!("{name}_sum"), labels, &format!("{:.3}", self.sum));
        out.sample(&format!("{name}_count"), labels, below);
    }
}

/// One direction: what came from the parties, or what was sent to them.
#[derive(Clone, Debug)]
struct Direction {
    mos: Histogram,
    loss: Histogram,
    jitter: Histogram,
}

impl Default for Direction {
    fn default() -> Self {
        Self { mos: Histogram::new(&MOS), loss: Histogram::new(&LOSS), jitter: Histogram::new(&JITTER_S) }
    }
}

#[derive(Clone, Debug)]
pub struct QualityCounts {
    received: Direction,
    sent: Direction,
    round_trip: Histogram,
    troubles: BTreeMap<&'static str, u64>,
    /// T.38 asked for: refused, relayed.
    faxes: [u64; 2],
}

impl Default for QualityCounts {
    fn default() -> Self {
        let (received, sent) = Default::default();
        Self { received, sent, round_trip: Histogram::new(&ROUND_TRIP_S), troubles: BTreeMap::new(), faxes: [0; 2] }
    }
}

impl QualityCounts {
    pub fn report(&mut self, report: &MediaReport) {
        let seconds = |us: u32| us as f32 / 1e6;
        let directions = [
            (&mut self.received, report.heard, report.jitter_us),
            (&mut self.sent, report.sent, report.peer_jitter_us),
        ];
        for (direction, quality, jitter_us) in directions {
            if let Some(quality) = quality {
                direction.mos.add(quality.mos);
                direction.loss.add(quality.loss);
                direction.jitter.add(seconds(jitter_us));
            }
        }
        if let Some(trip) = report.round_trip_us {
            self.round_trip.add(seconds(trip));
        }
    }

    pub fn fax(&mut self, relayed: bool) {
        self.faxes[usize::from(relayed)] += 1;
    }

    pub fn trouble(&mut self, trouble: &MediaTrouble) {
        *self.troubles.entry(trouble.name()).or_default() += 1;
    }
}

/// One of the histograms of a direction.
type Which = fn(&Direction) -> &Histogram;

pub(super) fn write(out: &mut Page, counts: &QualityCounts) {
    let families: [(&str, &str, Which); 3] = [
        ("leg_mos", "Estimated opinion (ITU-T G.107, 1 to 4.4) of legs that ended.", |d| &d.mos),
        ("leg_loss_ratio", "Fraction of RTP packets lost, of legs that ended.", |d| &d.loss),
        ("leg_jitter_seconds", "Interarrival jitter at the end of legs.", |d| &d.jitter),
    ];
    for (name, help, of) in families {
        out.family(name, "histogram", help);
        for (direction, side) in [("received", &counts.received), ("sent", &counts.sent)] {
            of(side).write(out, name, &[("direction", direction)]);
        }
    }
    out.family("leg_round_trip_seconds", "histogram", "Round trip to the parties of legs that ended, by their RTCP.");
    counts.round_trip.write(out, "leg_round_trip_seconds", &[]);
    out.family("faxes_total", "counter", "Faxes that a party asked for by T.38: relayed, or refused by the other.");
    for (outcome, count) in ["refused", "relayed"].into_iter().zip(counts.faxes) {
        out.sample("faxes_total", &[("outcome", outcome)], count);
    }
    out.family("media_troubles_total", "counter", "Troubles found in the audio of calls, by kind.");
    for (trouble, count) in &counts.troubles {
        out.sample("media_troubles_total", &[("trouble", trouble)], *count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::media::Quality;

    #[test]
    fn each_direction_of_a_leg_counts_in_its_own_histogram() {
        let mut counts = QualityCounts::default();
        let good = Quality { r: 93.0, mos: 4.4, loss: 0.0 };
        let bad = Quality { r: 50.0, mos: 2.58, loss: 0.12 };
        let report = MediaReport {
            heard: Some(good),
            sent: Some(bad),
            jitter_us: 4_000,
            round_trip_us: Some(90_000),
            ..MediaReport::default()
        };
        counts.report(&report);
        counts.report(&MediaReport::default());
        counts.trouble(&MediaTrouble::NotReceived);
        let mut page = Page(String::new());
        write(&mut page, &counts);
        for line in [
            "hotline_leg_mos_bucket{direction=\"received\",le=\"4.2\"} 0\n",
            "hotline_leg_mos_bucket{direction=\"received\",le=\"4.4\"} 1\n",
            "hotline_leg_mos_bucket{direction=\"sent\",le=\"3\"} 1\n",
            "hotline_leg_loss_ratio_bucket{direction=\"received\",le=\"0\"} 1\n",
            "hotline_leg_loss_ratio_count{direction=\"sent\"} 1\n",
            "hotline_leg_jitter_seconds_sum{direction=\"received\"} 0.004\n",
            "hotline_leg_round_trip_seconds_bucket{le=\"0.1\"} 1\n",
            "hotline_media_troubles_total{trouble=\"not_received\"} 1\n",
        ] {
            assert!(page.0.contains(line), "{line} is not in\n{}", page.0);
        }
    }
}
