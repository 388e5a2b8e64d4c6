public import Time

/// Bounds on what the streams of one loop take, each against someone who would have more.
public struct StreamLimits: Sendable {
    /// Streams in all. A stream at rest takes some hundred bytes here (TLS: some ten KiB in OpenSSL), and a descriptor.
    public var streams = 10_000
    /// Streams from one IPv4 address, or one IPv6 /64. An office behind one address has dozens of calls.
    public var streamsPerSource = 256
    /// Streams that have not yet brought a message. With more of them the oldest goes: an honest client needs a second.
    public var opening = 1_000
    /// From the connection to the first message, TLS handshake included. Mobile networks take seconds for a handshake.
    public var openingDeadline = Interval.seconds(10)
    /// Between two receipts. An allocation is refreshed at least every 10 minutes (RFC 8656 §7.2), a permission every 5.
    public var idleDeadline = Interval.seconds(900)
    /// How long a peer may take nothing while something waits for it. Media that waits that long is of no use.
    public var stallDeadline = Interval.seconds(30)
    /// How long a closed stream may take to send what waits and to hear that the peer has closed too.
    public var closeDeadline = Interval.seconds(5)
    /// What may wait for one peer: at 2 Mbit/s, a second of video.
    public var sendBufferBytes = 256 << 10
    /// What may be held for all of them together, messages in the making included; with more each is treated as a stranger in
    /// this. Some hundred slow receivers of video, of which a healthy server has a handful at a time.
    public var totalBufferBytes = 128 << 20

    /// Whether the worker says by `LoopIO.vouch` which streams it knows. Until then each is a stranger: anyone can have
    /// thousands of those, so that each must cost little.
    public var hasStrangers = false
    /// What may wait for a stranger, and how long a message of one may be: some ten times what one needs for signing in.
    public var strangerBufferBytes = 4 << 10
    /// What may be held for all strangers together; with more, one gets no answer while another waits for it.
    public var strangersBufferBytes = 8 << 20
    /// Between two messages of a stranger. From a connection to an allocation it is some round trips.
    public var strangerIdleDeadline = Interval.seconds(60)

    /// The defaults above.
    public init() {}
}
