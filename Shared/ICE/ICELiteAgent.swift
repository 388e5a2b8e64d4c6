internal import Bytes
internal import STUN
public import Time

/// A node's end of ICE: the lite agent of RFC 8445 §2.5, always controlled. It answers checks and follows the peer's nominations.
///
/// Whoever is nominated last is selected: that follows a peer to another network, and a NAT that maps it anew. Consent (RFC 7675)
/// is what the peer sends: a check, or any authenticated packet told by `heard`.
public struct ICELiteAgent: Sendable {
    /// Credentials between two restarts.
    private struct Generation: Sendable {
        let local: ICECredentials
        let remote: ICECredentials
        let key: STUNKey

        init(_ local: ICECredentials, _ remote: ICECredentials) {
            self.local = local
            self.remote = remote
            key = STUNKey(password: local.password)
        }
    }

    private struct ValidPath: Sendable {
        let path: ICEPath
        var checkedAt: Instant
    }

    private let settings: ICESettings
    private var current: Generation
    /// Of a restart, until the peer nominates with it.
    private var next: Generation?
    private var paths: [ValidPath] = []
    private var heardAt: Instant
    private var isLost = false

    /// Where to send: the path that the peer nominated last. Nil before the first.
    public private(set) var selected: ICEPath?

    /// Waits for checks from `now` on.
    public init(local: ICECredentials, remote: ICECredentials, now: Instant, settings: ICESettings = ICESettings()) {
        precondition(settings.maximumPaths > 1, "a peer needs two paths to change from one to the other")
        self.settings = settings
        current = Generation(local, remote)
        heardAt = now
    }

    /// The credentials of ours in use.
    public var local: ICECredentials { current.local }
    /// Those of a restart that is not complete.
    public var localOfRestart: ICECredentials? { next?.local }
    /// The peer's credentials in use.
    public var remote: ICECredentials { current.remote }

    /// The selected path; before a nomination the one that was checked last.
    public var best: ICEPath? { selected ?? paths.max { $0.checkedAt < $1.checkedAt }?.path }

    /// Whether the peer has shown on this path that it knows our password.
    public func isValid(_ path: ICEPath) -> Bool { paths.contains { $0.path == path } }

    /// When `timeout` is due; nil once the peer is lost.
    public var nextDeadline: Instant? { isLost ? nil : heardAt + settings.consentTimeout }

    /// An ICE restart (RFC 8445 §9): both credentials are good until the peer nominates with the new ones. Of two restarts in
    /// work the later counts.
    public mutating func restart(local: ICECredentials, remote: ICECredentials, now: Instant) {
        next = Generation(local, remote)
        // Who asked for it lives, though it may be between two networks.
        heard(now: now)
    }

    /// An authenticated packet (SRTP, SRTCP, DTLS) came on a valid path.
    public mutating func heard(now: Instant) {
        if now > heardAt { heardAt = now }
    }

    /// Whether nothing authenticated came for so long.
    public func isSilent(for time: Interval, now: Instant) -> Bool { now - heardAt >= time }

    /// The same for one path: one that is not selected is heard only when it is checked.
    public func isSilent(on path: ICEPath, for time: Interval, now: Instant) -> Bool {
        guard path != selected, let known = paths.first(where: { $0.path == path }) else {
            return isSilent(for: time, now: now)
        }
        return now - known.checkedAt >= time
    }

    /// A path is no more: its TCP connection has ended, or it is somebody else's. True if its path was the selected one: `best` is another one now, or none.
    public mutating func closed(_ path: ICEPath) -> Bool {
        paths.removeAll { $0.path == path }
        guard selected == path else { return false }
        selected = nil
        return true
    }

    /// Call when `nextDeadline` has come; an early call does nothing.
    public mutating func timeout(now: Instant) -> ICETimeout? {
        guard let due = nextDeadline, due <= now else { return nil }
        isLost = true
        return .lost(everConnected: !paths.isEmpty)
    }

    /// Takes a STUN message that came on `path`, and writes the answer at the end of `output` (at most 128 bytes).
    public mutating func receive(
        _ bytes: RawSpan, path: ICEPath, now: Instant, to output: inout OutputRawSpan
    ) -> ICEOutcome {
        guard let message = try? STUNMessage(parsing: bytes) else { return .dropped(.malformed) }
        guard message.header.messageClass == .request else { return .dropped(.notARequest) }
        guard message.header.method == .binding else { return .dropped(.otherMethod) }
        do throws(STUNError) {
            return try answer(message, path, now, &output)
        } catch {
            return .dropped(.noRoom)
        }
    }

    private mutating func answer(
        _ message: borrowing STUNMessage, _ path: ICEPath, _ now: Instant, _ output: inout OutputRawSpan
    ) throws(STUNError) -> ICEOutcome {
        // RFC 8489 §9.1.3: without credentials 400, with wrong ones 401, and no integrity on either.
        guard message.hasIntegrity(.sha1), let username = message.value(of: .username) else {
            return try ICEAnswer.refuse(message.header, .badRequest, key: nil, to: &output)
        }
        let isNext = next.map { ICEAnswer.isUser($0.local.ufrag, username) } ?? false
        guard isNext || ICEAnswer.isUser(current.local.ufrag, username), let generation = isNext ? next : current,
            message.verify(.sha1, generation.key)
        else { return try ICEAnswer.refuse(message.header, .unauthenticated, key: nil, to: &output) }

        let unknown = message.unknownRequired(isKnown: ICEAnswer.isKnown)
        guard unknown.isEmpty else {
            return try ICEAnswer.refuse(
                message.header, .unknownAttribute, key: generation.key, unknown: unknown, to: &output)
        }
        // Two controlled agents: a lite one cannot take the other role, so the peer must (RFC 8445 §7.3.1.1).
        if message.valueRange(of: .iceControlled) != nil {
            return try ICEAnswer.refuse(message.header, .roleConflict, key: generation.key, to: &output)
        }
        try ICEAnswer.succeed(message.header, remote: path.remote, key: generation.key, to: &output)
        return .answered(accept(path, nominates: message.valueRange(of: .useCandidate) != nil, isNext: isNext, now))
    }

    private mutating func accept(_ path: ICEPath, nominates: Bool, isNext: Bool, _ now: Instant) -> ICEChange {
        var change = ICEChange()
        heard(now: now)
        if let known = paths.firstIndex(where: { $0.path == path }) {
            paths[known].checkedAt = now
        } else {
            change.isNew = true
            if paths.count == settings.maximumPaths { change.evicted = evict() }
            paths.append(ValidPath(path: path, checkedAt: now))
        }
        guard nominates else { return change }
        change.nominated = selected != path
        selected = path
        if isNext, let next {
            current = next
            self.next = nil
            change.restarted = true
        }
        return change
    }

    /// Takes out the path that was checked longest ago and is not selected.
    private mutating func evict() -> ICEPath? {
        let candidates = paths.indices.filter { paths[$0].path != selected }
        guard let oldest = candidates.min(by: { paths[$0].checkedAt < paths[$1].checkedAt }) else { return nil }
        return paths.remove(at: oldest).path
    }
}
