internal import Addresses

/// Finds rows of other tables by a hash: open addressing with linear probing, eight bytes a cell, at most half full.
///
/// The rows hold the keys; the caller compares. Removal closes the gap, so nothing piles up.
struct IndexTable {
    private struct Cell {
        var hash: UInt32
        var row: Int32
        static let empty = Cell(hash: 0, row: -1)
    }

    private var cells: [Cell]
    private(set) var count = 0

    init() { cells = Array(repeating: .empty, count: 16) }

    /// The row of that hash which `isIt` says is meant.
    @inline(__always)
    func find(_ hash: UInt32, _ isIt: (Int) -> Bool) -> Int? {
        let mask = cells.count &- 1
        var position = Int(hash) & mask
        while true {
            let cell = cells[position]
            if cell.row < 0 { return nil }
            if cell.hash == hash, isIt(Int(cell.row)) { return Int(cell.row) }
            position = (position &+ 1) & mask
        }
    }

    /// Adds a row, whose key must not be there yet.
    mutating func insert(_ hash: UInt32, row: Int) {
        if (count + 1) * 2 > cells.count { grow() }
        put(Cell(hash: hash, row: Int32(row)))
        count += 1
    }

    /// Removes a row that was added with that hash.
    mutating func remove(_ hash: UInt32, row: Int) {
        let mask = cells.count - 1
        var gap = Int(hash) & mask
        while cells[gap].row != Int32(row) {
            precondition(cells[gap].row >= 0, "a row to be removed is in the table")
            gap = (gap + 1) & mask
        }
        count -= 1
        // What follows without a gap moves up, unless it stands before its own place then.
        var next = gap
        while true {
            next = (next + 1) & mask
            let cell = cells[next]
            guard cell.row >= 0 else { break }
            let home = Int(cell.hash) & mask
            if (next - home) & mask >= (next - gap) & mask {
                cells[gap] = cell
                gap = next
            }
        }
        cells[gap] = .empty
    }

    private mutating func put(_ cell: Cell) {
        let mask = cells.count - 1
        var position = Int(cell.hash) & mask
        while cells[position].row >= 0 { position = (position + 1) & mask }
        cells[position] = cell
    }

    private mutating func grow() {
        let old = cells
        cells = Array(repeating: .empty, count: old.count * 2)
        for cell in old where cell.row >= 0 { put(cell) }
    }
}

/// Hashes keys with a secret, as clients choose addresses, ports and channels: multiply and fold.
struct Mixer {
    private let first: UInt64
    private let second: UInt64

    init(using random: inout some RandomNumberGenerator) {
        first = random.next()
        second = random.next()
    }

    @inline(__always)
    func hash(_ flow: Flow) -> UInt32 {
        let number = UInt64(truncatingIfNeeded: flow.number) << 32 | UInt64(flow.client.port)
        return hash(flow.client.address, number)
    }

    @inline(__always)
    func hash(_ endpoint: Endpoint, of row: Int) -> UInt32 {
        hash(endpoint.address, UInt64(truncatingIfNeeded: row) << 32 | UInt64(endpoint.port) | 1 << 31)
    }

    @inline(__always)
    func hash(_ address: IPAddress, of row: Int) -> UInt32 {
        hash(address, UInt64(truncatingIfNeeded: row) << 32)
    }

    @inline(__always)
    func hash(channel: UInt16, of row: Int) -> UInt32 {
        let mixed = mix(UInt64(truncatingIfNeeded: row) << 16 | UInt64(channel), second)
        return UInt32(truncatingIfNeeded: mixed)
    }

    @inline(__always)
    private func hash(_ address: IPAddress, _ more: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: mix(mix(address.low, address.high) ^ more, second))
    }

    @inline(__always)
    private func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = (left ^ first).multipliedFullWidth(by: right ^ 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}

/// Rows with numbers that are used again. Reading a field of `rows[i]` in place copies nothing else.
struct Slab<Row: Sendable>: Sendable {
    var rows: [Row] = []
    private var free: [Int32] = []

    /// How many rows are in use.
    var count: Int { rows.count - free.count }

    mutating func insert(_ row: Row) -> Int {
        if let place = free.popLast() {
            rows[Int(place)] = row
            return Int(place)
        }
        rows.append(row)
        return rows.count - 1
    }

    /// Gives a number back; `blank` takes the place, so that nothing is held on to.
    mutating func remove(_ index: Int, leaving blank: Row) {
        rows[index] = blank
        free.append(Int32(index))
    }
}
