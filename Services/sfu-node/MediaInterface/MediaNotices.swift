import Synchronization

/// The newest notice of each kind, for each of `Key`, in the order in which they were said.
package struct NoticeBoard<Key: Hashable & Sendable>: Sendable {
    /// What makes a notice worthless when a newer one comes.
    private enum Kind: Hashable {
        case map, slotsWanted, speakers, quality, totals, mutedBy, lost
        case layers(mid: String)

        init(_ notice: MediaNotice) {
            switch notice {
            case .map: self = .map
            case .slotsWanted: self = .slotsWanted
            case .speakers: self = .speakers
            case .quality: self = .quality
            case .totals: self = .totals
            case .layers(let mid, _): self = .layers(mid: mid)
            case .mutedBy: self = .mutedBy
            case .lost: self = .lost
            }
        }
    }

    private struct Entry {
        var order: UInt64
        var notice: MediaNotice
    }

    /// Sending mids of one member whose layers are remembered: a camera and a screen are two.
    private static var layersLimit: Int { 8 }

    private var notices: [Key: [Kind: Entry]] = [:]
    private var order: UInt64 = 0

    package init() {}

    package var isEmpty: Bool { notices.isEmpty }

    /// Puts a notice up, in place of an older one of its kind; `lost` in place of all but that a host muted the member.
    package mutating func post(_ notice: MediaNotice, for key: Key) {
        order += 1
        if case .lost = notice { notices[key] = notices[key]?.filter { $0.key == .mutedBy } }
        let kind = Kind(notice)
        var known = notices[key] ?? [:]
        if case .layers = kind, known[kind] == nil, known.count >= Self.layersLimit + 7 { return }
        known[kind] = Entry(order: order, notice: notice)
        notices[key] = known
    }

    /// Takes down what is up for a key.
    package mutating func remove(_ key: Key) { notices[key] = nil }

    /// Takes down that the transport is lost: there is a new one.
    package mutating func removeLost(_ key: Key) { remove(.lost, key) }

    /// Takes down that somebody muted the member: it speaks again.
    package mutating func removeMutedBy(_ key: Key) { remove(.mutedBy, key) }

    private mutating func remove(_ kind: Kind, _ key: Key) {
        notices[key]?[kind] = nil
        if notices[key]?.isEmpty == true { notices[key] = nil }
    }

    /// What is up for a key, in order.
    package func notices(of key: Key) -> [MediaNotice] {
        (notices[key] ?? [:]).values.sorted { $0.order < $1.order }.map(\.notice)
    }

    /// All that is up, in order, taken down.
    package mutating func takeAll() -> [(key: Key, notice: MediaNotice)] {
        let all = notices.flatMap { key, entries in entries.values.map { (key: key, entry: $0) } }
        notices.removeAll(keepingCapacity: true)
        return all.sorted { $0.entry.order < $1.entry.order }.map { (key: $0.key, notice: $0.entry.notice) }
    }
}

/// The way of notices from media threads, which cannot wait, to the rooms: bounded, since newer ones take the place of older.
package final class MediaNotices: Sendable {
    /// Rings when there is something to take.
    package let news: AsyncStream<Void>
    private let bell: AsyncStream<Void>.Continuation
    private let board = Mutex(NoticeBoard<MediaMember>())

    package init() {
        (news, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Says something to a member. Never waits for anybody but another `post` or `take`.
    package func post(_ member: MediaMember, _ notice: MediaNotice) {
        let wasEmpty = board.withLock { board in
            defer { board.post(notice, for: member) }
            return board.isEmpty
        }
        if wasEmpty { bell.yield() }
    }

    /// What was said, taken out.
    package func take() -> [(key: MediaMember, notice: MediaNotice)] { board.withLock { $0.takeAll() } }
}
