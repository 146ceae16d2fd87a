//! Who there is in a world, and what they do.

use super::*;

impl World {
    /// An agent's phone, registered.
    pub fn agent(&mut self, number: &str) -> PhoneId {
        let phone = self.extension(number, &config::secret_of(number));
        self.register(phone);
        self.until("the agent is registered", |world| {
            world.phones[phone.0].answers.last().is_some_and(|(_, status)| *status == 200)
        });
        phone
    }

    /// The phone of an extension with whatever secret, not registered.
    pub fn extension(&mut self, number: &str, secret: &str) -> PhoneId {
        self.phone(number, Some(secret.into()), 1)
    }

    /// The registered softphone of an agent, at an address that the trunk's callers come from too.
    pub fn agent_beside_trunk(&mut self, number: &str) -> PhoneId {
        let phone = self.phone(number, Some(config::secret_of(number)), 2);
        self.register(phone);
        self.run(seconds(1.0));
        phone
    }

    /// From now on what comes for the phone is answered by hand, from the address returned.
    pub fn answer_by_hand(&mut self, phone: PhoneId) -> SocketAddr {
        self.phones[phone.0].by_hand = true;
        self.phones[phone.0].refreshes = false;
        self.phones[phone.0].peer.local
    }

    /// Somebody who comes by the trunk.
    pub fn caller(&mut self, number: &str) -> PhoneId {
        self.phone(number, None, 2)
    }

    /// The far end of a trunk; carriers are made before anybody else, because their addresses are counted.
    pub fn carrier(&mut self, name: &str) -> PhoneId {
        self.phone(name, None, 3)
    }

    /// Somebody from an address that no trunk has.
    pub fn stranger(&mut self, number: &str) -> PhoneId {
        self.phone(number, None, 9)
    }

    fn phone(&mut self, number: &str, secret: Option<String>, network: u8) -> PhoneId {
        let index = self.phones.len() as u16;
        let [high, low] = (index + 1).to_be_bytes();
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, network, high, low)), 5060);
        let peer = Peer::udp(switch_address(), local);
        self.phones.push(Phone::new(number, secret, index, peer, &self.settings));
        PhoneId(usize::from(index))
    }

    /// From now on over one TCP connection.
    pub fn use_tcp(&mut self, phone: PhoneId) {
        self.connections += 1;
        let peer = &mut self.phones[phone.0].peer;
        peer.transport = Transport::Tcp;
        peer.connection = Some(ConnectionId(self.connections));
    }

    /// The phone's connection breaks, and both ends notice.
    pub fn lose_connection(&mut self, phone: PhoneId) {
        let own = self.phones[phone.0].peer;
        self.with(phone, |phone, now| phone.endpoint.handle_transport_error(now, own));
        self.input(Input::Lost { peer: Peer { remote: own.local, local: own.remote, ..own } });
    }

    pub fn manners(&mut self, phone: PhoneId, change: impl FnOnce(&mut Manners)) {
        change(&mut self.phones[phone.0].manners);
    }

    /// A connection of somebody who writes SIP by hand, from an address of an extension's network.
    pub fn connection_by_hand(&mut self, from: SocketAddr) -> Peer {
        self.connections += 1;
        self.by_hand.entry(from).or_default();
        let connection = Some(ConnectionId(1_000 + self.connections));
        Peer { transport: Transport::Tcp, remote: from, local: switch_address(), connection }
    }

    /// A message by hand over whatever way.
    pub fn send_over(&mut self, peer: Peer, bytes: Bytes) {
        self.by_hand.entry(peer.remote).or_default();
        self.after(Line::GOOD.delay, What::SipToSwitch(peer, bytes));
    }

    // What they do.

    pub fn register(&mut self, phone: PhoneId) {
        self.with(phone, |phone, now| phone.register(now, phone.expires_s));
    }

    pub fn dial(&mut self, phone: PhoneId, number: &str) {
        self.with(phone, |phone, now| phone.dial(now, number, None));
    }

    pub fn press(&mut self, phone: PhoneId, keys: &str) {
        self.press_with(phone, keys, Loss::None);
    }

    pub fn press_with(&mut self, phone: PhoneId, keys: &str, loss: Loss) {
        for key in keys.chars() {
            self.with(phone, |phone, now| phone.press(now, key, loss));
        }
    }

    pub fn press_by_info(&mut self, phone: PhoneId, key: char) {
        self.with(phone, |phone, now| phone.press_by_info(now, key));
    }

    pub fn ask_for_fax(&mut self, phone: PhoneId) {
        self.with(phone, |phone, now| phone.ask_for_fax(now));
    }

    pub fn hold(&mut self, phone: PhoneId, on: bool) {
        self.with(phone, |phone, now| assert!(phone.hold(now, on), "another offer is under way"));
    }

    /// Sends the other party of the phone's last call to a number.
    pub fn refer(&mut self, phone: PhoneId, number: &str) {
        self.with(phone, |phone, now| phone.refer(now, phone.calls.len() - 1, number, ""));
    }

    pub fn hang_up(&mut self, phone: PhoneId) {
        self.with(phone, |phone, now| phone.hang_up(now));
    }

    /// The cable is pulled.
    pub fn switch_off(&mut self, phone: PhoneId) {
        self.phones[phone.0].off = true;
    }

    pub fn with<T>(&mut self, phone: PhoneId, act: impl FnOnce(&mut Phone, Instant) -> T) -> T {
        let now = self.now;
        let done = act(&mut self.phones[phone.0], now);
        self.settle_phone(phone.0);
        done
    }

    pub fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// New messages of each box, and how many are urgent.
    pub fn mail(&mut self, boxes: &[(&str, (u32, u32))]) {
        self.input(Input::Boxes(boxes.iter().map(|(name, held)| (name.to_string(), *held)).collect()));
    }

    /// An admin's edit takes force.
    pub fn reload(&mut self, speech: Arc<Speech>) {
        let bundle = speech.bundle.clone();
        self.speech.push(speech);
        self.input(Input::Bundle(bundle));
    }

    /// So many percent of the callers take these flows.
    pub fn tries_out(&mut self, speech: Arc<Speech>, percent: u8) {
        let bundle = speech.bundle.clone();
        self.speech.push(speech);
        self.input(Input::Canary(Some((bundle, percent))));
    }

    pub fn moves_calls(&mut self, section: &str) {
        self.input(Input::MoveCalls { section: section.to_string() });
    }

    pub fn reconfigure(&mut self, settings: &Settings) {
        self.input(Input::Config(settings.config()));
    }

    pub fn reconfigure_to(&mut self, config: Arc<hotline::switch::SwitchConfig>) {
        self.input(Input::Config(config));
    }

    /// Decides about each SIP message before the line does.
    pub fn filter(&mut self, filter: impl FnMut(Way, &Message) -> Fate + 'static) {
        self.filter = Some(Box::new(filter));
    }

    pub fn no_filter(&mut self) {
        self.filter = None;
    }

    /// A datagram of somebody who writes SIP by hand.
    pub fn send_by_hand(&mut self, from: SocketAddr, bytes: Bytes) {
        self.by_hand.entry(from).or_default();
        let peer = Peer::udp(from, switch_address());
        self.after(Line::GOOD.delay, What::SipToSwitch(peer, bytes));
    }
}
