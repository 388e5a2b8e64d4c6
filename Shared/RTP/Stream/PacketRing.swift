internal import Bytes

/// The last packets of one received stream, as they came, for receivers that ask again.
///
/// One piece of memory, of which only what is used becomes resident.
@safe
public struct PacketRing: ~Copyable {
    /// The longest packet: what fits an Ethernet frame.
    public static let packetByteLimit = 1500

    private struct Entry: Sendable {
        var number: Int64
        var byteCount: Int32
    }

    private var entries: RecordSlab<Entry>
    private let bytes: UnsafeMutableRawPointer
    private var unwrapper = SequenceUnwrapper()

    /// A ring of so many packets, a power of two.
    public init(capacity: Int) {
        entries = RecordSlab(count: capacity, repeating: Entry(number: -1, byteCount: 0))
        unsafe bytes = .allocate(byteCount: capacity * PacketRing.packetByteLimit, alignment: 16)
    }

    deinit { unsafe bytes.deallocate() }

    /// The largest capacity that takes at most so much memory, and 1 at least. 1.5 MiB hold 1,024 packets: 3.6 s of a video of
    /// 2.5 Mbit/s in packets of 1,100 bytes.
    public static func capacity(within byteCount: Int) -> Int {
        let each = packetByteLimit + MemoryLayout<Entry>.stride
        var capacity = 1
        while capacity * 2 * each <= byteCount { capacity *= 2 }
        return capacity
    }

    /// How much memory it takes.
    public var memoryByteCount: Int { entries.count * PacketRing.packetByteLimit + entries.byteCount }

    /// How many packets it can hold.
    public var capacity: Int { entries.count }

    /// Remembers a packet, in place of one that is `capacity` older. False, and nothing changed, if it is too long, or
    /// older than what is in its place.
    @discardableResult
    public mutating func store(_ packet: RawSpan, sequenceNumber: SequenceNumber) -> Bool {
        let count = packet.byteCount
        guard count <= PacketRing.packetByteLimit else { return false }
        let number = unwrapper.unwrap(sequenceNumber).rawValue
        let index = Int(number) & (entries.count - 1)
        guard entries[index].number <= number else { return false }
        entries[index] = Entry(number: number, byteCount: Int32(count))
        unsafe packet.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe bytes.advanced(by: index * PacketRing.packetByteLimit).copyMemory(from: start, byteCount: count)
        }
        return true
    }

    /// The packet with the number that is nearest to the newest; nil if it never came, or was overwritten.
    @_lifetime(borrow self)
    public borrowing func packet(_ sequenceNumber: SequenceNumber) -> RawSpan? {
        guard let number = unwrapper.newest?.nearest(sequenceNumber).rawValue else { return nil }
        let index = Int(number) & (entries.count - 1)
        let entry = entries[index]
        guard entry.number == number else { return nil }
        let start = unsafe UnsafeRawPointer(bytes.advanced(by: index * PacketRing.packetByteLimit))
        let span = unsafe RawSpan(_unsafeStart: start, byteCount: Int(entry.byteCount))
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The header of a packet that `packet` finds; nil if it is none. Who must change other things before the packet is
    /// written has its header without holding on to the ring.
    public borrowing func header(_ sequenceNumber: SequenceNumber) -> RTPHeader? {
        guard let packet = packet(sequenceNumber) else { return nil }
        return try? RTPHeader(parsing: packet)
    }

    /// Forgets all packets.
    public mutating func removeAll() {
        entries.fill(Entry(number: -1, byteCount: 0))
        unwrapper = SequenceUnwrapper()
    }
}

// The memory has one owner, which cannot be copied, and moves with it.
extension PacketRing: @unchecked Sendable {}
