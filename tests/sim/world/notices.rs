//! What the people of a world notice, and what the switch wrote down.

use super::*;

impl World {
    pub fn call(&self, phone: PhoneId) -> &PhoneCall {
        self.phones[phone.0].call()
    }

    pub fn state(&self, phone: PhoneId) -> Option<&State> {
        self.phones[phone.0].state()
    }

    pub fn is_up(&self, phone: PhoneId) -> bool {
        self.state(phone) == Some(&State::Up)
    }

    pub fn is_over(&self, phone: PhoneId) -> bool {
        matches!(self.state(phone), Some(State::Over(_)))
    }

    /// What a phone heard in its last call, in order.
    pub fn heard(&self, phone: PhoneId) -> Vec<String> {
        self.call(phone).heard.iter().map(|stretch| self.name(stretch.sound)).collect()
    }

    pub fn hears(&self, phone: PhoneId, sound: &str) -> bool {
        /// Longer than the pause between two packets.
        const LATELY: Duration = Duration::from_millis(60);
        let call = self.call(phone);
        call.heard
            .last()
            .is_some_and(|last| self.now.duration_since(last.until) <= LATELY && self.name(last.sound) == sound)
    }

    pub(super) fn name(&self, sound: Heard) -> String {
        match sound {
            Heard::Known(sound::MUSIC) => "music".into(),
            Heard::Known(number) if number >= sound::FIRST_VOICE => {
                let phone = usize::from(number - sound::FIRST_VOICE);
                format!("voice of {}", self.phones[phone].number)
            }
            Heard::Known(number) => {
                self.speech[0].names.get(usize::from(number)).cloned().unwrap_or_else(|| format!("sound {number}"))
            }
            Heard::Tone => "tone".into(),
            Heard::Silence => "silence".into(),
        }
    }

    pub fn events(&self) -> impl Iterator<Item = &EventKind> {
        self.journal.iter().map(|event| &event.kind)
    }

    pub fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.events().filter(|kind| wanted(kind)).count()
    }

    pub fn view(&self) -> SwitchView {
        self.switch.view(self.clock())
    }

    /// The only record that there is.
    pub fn record(&self) -> &Cdr {
        assert_eq!(self.records.len(), 1, "{:#?}", self.records);
        &self.records[0]
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }
}
