/// What is known of each SSRC: flat, found by hashing, bounded. Grows by doubling, so only a new SSRC ever allocates.
@safe struct StreamTable: ~Copyable {
    /// One SSRC.
    struct Stream {
        let ssrc: UInt32
        var packets = PacketWindow()
        var control = ControlWindow()
    }

    private let maximum: Int
    private var streams: UnsafeMutablePointer<Stream>
    private var capacity: Int
    private(set) var count = 0
    /// Positions in `streams`, plus one; zero is free. Twice the capacity, a power of two: searching it ends.
    private var places: UnsafeMutablePointer<UInt16>
    private var mask: Int

    /// At most `maximum` SSRCs, up to 32,768.
    init(maximum: Int) {
        precondition((1...32_768).contains(maximum), "a table is for 1 to 32,768 SSRCs, not \(maximum)")
        self.maximum = maximum
        capacity = 4
        unsafe streams = .allocate(capacity: 4)
        mask = 7
        unsafe places = .allocate(capacity: 8)
        unsafe places.initialize(repeating: 0, count: 8)
    }

    deinit {
        unsafe streams.deallocate()
        unsafe places.deallocate()
    }

    var isFull: Bool { count == maximum }

    /// Where an SSRC is; nil if it is not known.
    func position(of ssrc: UInt32) -> Int? {
        var slot = start(of: ssrc)
        while true {
            let place = unsafe Int(places[slot])
            guard place > 0 else { return nil }
            if unsafe streams[place - 1].ssrc == ssrc { return place - 1 }
            slot = (slot + 1) & mask
        }
    }

    /// The stream at a position below `count`.
    subscript(position: Int) -> Stream {
        unsafeAddress {
            precondition(position < count, "no stream is there")
            return unsafe UnsafePointer(streams + position)
        }
        unsafeMutableAddress {
            precondition(position < count, "no stream is there")
            return unsafe streams + position
        }
    }

    /// Adds an SSRC that is not known; the table must not be full.
    mutating func insert(_ ssrc: UInt32) -> Int {
        precondition(!isFull, "whoever inserts has looked whether there is room")
        if count == capacity { grow() }
        unsafe (streams + count).initialize(to: Stream(ssrc: ssrc))
        count += 1
        place(count - 1)
        return count - 1
    }

    /// Takes an SSRC out. O(n): streams end rarely.
    mutating func remove(_ ssrc: UInt32) {
        guard let position = position(of: ssrc) else { return }
        count -= 1
        if position < count { unsafe streams[position] = streams[count] }
        placeAll()
    }

    /// SSRCs are random where nobody means harm, and a member who chooses them badly slows only itself, within `maximum`.
    private func start(of ssrc: UInt32) -> Int {
        Int(truncatingIfNeeded: (ssrc &* 0x9e37_79b1) >> 16) & mask
    }

    private mutating func place(_ position: Int) {
        var slot = unsafe start(of: streams[position].ssrc)
        while unsafe places[slot] != 0 { slot = (slot + 1) & mask }
        unsafe places[slot] = UInt16(position + 1)
    }

    private mutating func placeAll() {
        unsafe places.update(repeating: 0, count: mask + 1)
        for position in 0..<count { place(position) }
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Stream>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: streams, count: count)
        unsafe streams.deallocate()
        unsafe places.deallocate()
        unsafe streams = larger
        capacity *= 2
        unsafe places = .allocate(capacity: capacity * 2)
        unsafe places.initialize(repeating: 0, count: capacity * 2)
        mask = capacity * 2 - 1
        placeAll()
    }
}
