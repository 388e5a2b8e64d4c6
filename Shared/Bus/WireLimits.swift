package import Time

/// What one side of a connection allows the other. Each figure bounds memory that a peer could otherwise claim.
package struct WireLimits: Sendable {
    /// Longest payload of a MESSAGE: 4 MiB, gRPC's usual bound; the longest message sent here is 64 KiB and a snapshot.
    package static let messageBytes = 4 << 20
    /// Longest payload of any other frame: the longest, HEADERS, holds 4 KiB of metadata and a method name.
    package static let controlBytes = 16 << 10
    /// Metadata of one call, keys and values together.
    package static let metadataBytes = 4096
    /// Metadata entries of one call.
    package static let metadataEntries = 32

    /// Calls that the peer may have open at once. A signal holds one for each room that it follows on a node, and a node has up to
    /// 20,000; the rest is for what is asked meanwhile. Each costs a few KiB, and peers are processes of the same cluster.
    package var streams = 24_576
    /// Bytes of messages that the peer may send on a stream before it is given more: a burst of events without a wait.
    package var streamCredit = 256 << 10
    /// Bytes of received messages of all streams of a connection that wait to be read, beyond which a stream is ended.
    package var queuedBytes = 16 << 20
    /// Bytes waiting to be written, beyond which senders of messages wait.
    package var outboundHighWater = 1 << 20
    /// Bytes waiting to be written, beyond which the peer is given up: it makes us answer and does not read.
    package var outboundCap = 16 << 20
    /// Silence after which the peer is asked whether it lives.
    package var keepaliveIdle: Interval = .seconds(1)
    /// Time for the answer; long enough for a process that a loaded machine does not schedule.
    package var keepaliveTimeout: Interval = .seconds(4)
    /// Time without a byte taken by the peer while some wait, after which it is given up.
    package var writeStall: Interval = .seconds(10)

    package init() {}

    /// For a connection to a registry, of which there are several: one that hangs is left after 1.4 s of silence, so that a node's
    /// lease of 3 s is renewed at another one in time. A registry that was only slow costs a new stream.
    package static var watchful: WireLimits {
        var limits = WireLimits()
        limits.keepaliveIdle = .milliseconds(500)
        limits.keepaliveTimeout = .milliseconds(900)
        return limits
    }
}
