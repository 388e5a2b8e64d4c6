/// A piece of a line, and how lines are taken apart: views of the same bytes, nothing copied before `string`.
struct Field: ~Escapable {
    private(set) var bytes: Span<UInt8>

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) { self.bytes = bytes }

    var isEmpty: Bool { bytes.isEmpty }

    /// Takes what stands before the next `separator`, and the separator; all that is left if there is none.
    @_lifetime(copy self)
    mutating func next(upTo separator: UInt8) -> Field {
        var end = 0
        while end < bytes.count, bytes[end] != separator { end &+= 1 }
        let taken = Field(bytes.extracting(0..<end))
        bytes = bytes.extracting(min(end &+ 1, bytes.count)..<bytes.count)
        return taken
    }

    /// The next word of a line: blanks before it are passed over. Tabs and stray CRs are blanks too.
    @_lifetime(copy self)
    mutating func word() -> Field {
        var start = 0
        while start < bytes.count, Self.isBlank(bytes[start]) { start &+= 1 }
        var end = start
        while end < bytes.count, !Self.isBlank(bytes[end]) { end &+= 1 }
        let taken = Field(bytes.extracting(start..<end))
        bytes = bytes.extracting(min(end &+ 1, bytes.count)..<bytes.count)
        return taken
    }

    /// What is left without blanks at either end.
    var trimmed: Field {
        @_lifetime(copy self)
        get {
            var start = 0
            var end = bytes.count
            while start < end, Self.isBlank(bytes[start]) { start &+= 1 }
            while end > start, Self.isBlank(bytes[end &- 1]) { end &-= 1 }
            return Field(bytes.extracting(start..<end))
        }
    }

    /// All but the first `count` bytes.
    @_lifetime(copy self)
    func dropping(_ count: Int) -> Field {
        Field(bytes.extracting(min(count, bytes.count)..<bytes.count))
    }

    /// The text. Allocates from 16 bytes on.
    var string: String {
        guard let text = try? UTF8Span(validating: bytes) else { return "" }
        return String(copying: text)
    }

    /// The text with ASCII capitals made small.
    var lowercased: String { string.lowercased() }

    func contains(_ byte: UInt8) -> Bool {
        for index in bytes.indices where bytes[index] == byte { return true }
        return false
    }

    func starts(with prefix: StaticString) -> Bool {
        let prefix = prefix.description.utf8
        guard prefix.count <= bytes.count else { return false }
        var index = 0
        for byte in prefix {
            guard bytes[index] == byte else { return false }
            index &+= 1
        }
        return true
    }

    /// A decimal number, digits only; nil if it is none or does not fit.
    func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type = Number.self) -> Number? {
        guard !bytes.isEmpty else { return nil }
        var value: Number = 0
        for index in bytes.indices {
            guard case 0x30...0x39 = bytes[index] else { return nil }
            let (tens, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowedToo) = tens.addingReportingOverflow(Number(truncatingIfNeeded: bytes[index] &- 0x30))
            guard !overflowed, !overflowedToo else { return nil }
            value = sum
        }
        return value
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == blank || byte == 0x0d || byte == 0x09 }

    static let blank: UInt8 = 0x20
    static let colon: UInt8 = 0x3a
    static let semicolon: UInt8 = 0x3b
    static let comma: UInt8 = 0x2c
    static let slash: UInt8 = 0x2f
    static let equals: UInt8 = 0x3d
    static let newline: UInt8 = 0x0a
    static let tilde: UInt8 = 0x7e
}
