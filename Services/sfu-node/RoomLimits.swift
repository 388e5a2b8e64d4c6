package import Time

/// The caps and times of a room, each with its reason.
package struct RoomLimits: Hashable, Sendable {
    /// Rooms on one node. A full ring is 1 MiB, so this many hostile rooms stay within about 2 GiB; a usual one is some KiB.
    package var rooms = 2_000
    /// Members of one room: every event goes to every member, so work grows with the square.
    package var members = 100
    /// Members of one room of topology mesh: each sends its picture to each other one, and five times is what a home line carries.
    package var meshMembers = 6
    /// Invitations remembered in one room, ringing or done; the oldest done one makes place.
    package var invitations = 32
    /// Invitations that may ring in one room at a time.
    package var ringing = 16
    /// Events kept for readers that come back: a minute of a busy room.
    package var replayEvents = 512
    /// Bytes of the same.
    package var replayBytes = 1 << 20
    /// A message's body, as in the proto: a session description of 8 + 24 slots limited to few codecs is 36 KB.
    package var bodyBytes = 64 << 10
    /// A display name: 40 characters of four bytes, with room for combining marks.
    package var nameBytes = 256
    /// Messages, updates and invitations of one member a second, on average. Trickling candidates come in bursts of some dozens.
    package var ratePerSecond = 50
    /// As many of them at once.
    package var burst = 200
    /// Message ids remembered for a member: what can be in flight while a page resumes, at full rate for 5 s.
    package var rememberedMessages = 256
    /// Ids of members that left, so that a late re-assertion does not bring them back.
    package var rememberedLeavers = 128
    /// Persons whom a host removed from one room; more at once than a room has members, many times over.
    package var rememberedRemoved = 1_000
    /// Lines of chat kept for who comes late.
    package var chatLines = 200
    /// Bytes of the same: half a kilobyte a line; a room's state, which holds them, must be cheap to tell to all.
    package var chatBytes = 128 << 10
    /// Ended rooms whose epoch is remembered, at most.
    package var rememberedRooms = 10_000

    /// Whether only who was invited enters a call: its id stands in logs, so it is no key. Off only where tests look at other rules.
    package var callsByInvitation = true

    /// How long somebody is rung.
    package var ringFor = Interval.seconds(30)
    /// A ring ends when its caller is away this long: longer than a page's reconnection, shorter than patience.
    package var callerGoneAfter = Interval.seconds(5)
    /// An absence that nobody asked for is not shown for so long: a page resumes within it at another signal.
    package var hideAbsenceFor = Interval.seconds(3)
    /// An absent member has left after this: the others learn it within 30 s of its death, and a session may be resumed for hardly longer.
    package var awayFor = Interval.seconds(28)
    /// A re-asserted member that no signal joins again has left after this: signals come back to a moved room in a second or two.
    package var reassertFor = Interval.seconds(10)
    /// A call without company or ring ends after this: between `Join` and `Invite` of its maker lie milliseconds.
    package var openFor = Interval.seconds(10)
    /// An empty room ends after this: its only member may be reloading the page.
    package var emptyFor = Interval.seconds(15)
    /// Epochs of ended rooms are remembered this long: a placement handed out just before the end is used by then.
    package var rememberRoomFor = Interval.seconds(60)

    /// The values above.
    package init() {}
}
