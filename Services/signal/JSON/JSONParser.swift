/// What is wrong with a text that should be JSON.
package enum JSONError: Error, Hashable, Sendable {
    case empty
    case unexpected(offset: Int)
    case cutShort
    case tooDeep(limit: Int)
    case tooManyValues(limit: Int)
    case badNumber(offset: Int)
    case badEscape(offset: Int)
    case badUTF8
    case repeatedName(String)
    case trailing(offset: Int)
}

extension JSONError: CustomStringConvertible {
    /// For who wrote the client.
    package var description: String {
        switch self {
        case .empty: "the text is empty"
        case .unexpected(let offset): "an unexpected character at byte \(offset)"
        case .cutShort: "the text ends too early"
        case .tooDeep(let limit): "more than \(limit) levels"
        case .tooManyValues(let limit): "more than \(limit) values"
        case .badNumber(let offset): "a number that is none at byte \(offset)"
        case .badEscape(let offset): "an escape that is none at byte \(offset)"
        case .badUTF8: "the text is no UTF-8"
        case .repeatedName(let name): "the name \"\(name.prefix(40))\" twice in one object"
        case .trailing(let offset): "more behind the value, at byte \(offset)"
        }
    }
}

/// A strict parser of RFC 8259 with bounds: a hostile text costs no more than its own length.
package struct JSONParser {
    /// Deeper than any message of ours (a candidate in a body is four deep).
    package static let depthLimit = 16
    /// Values in one text. The size limit of a frame (64 KiB) allows 32,000 of `1,`; no message of ours has 2,000.
    package static let valueLimit = 4_096

    private let bytes: [UInt8]
    private var offset = 0
    private var values = 0

    /// The value of a whole text.
    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        guard !bytes.isEmpty else { throw .empty }
        var parser = JSONParser(bytes: bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.offset == bytes.count else { throw .trailing(offset: parser.offset) }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard depth < Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
        values += 1
        guard values <= Self.valueLimit else { throw .tooManyValues(limit: Self.valueLimit) }
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw .unexpected(offset: offset)
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if try peek() == UInt8(ascii: "}") {
            offset += 1
            return .object(members)
        }
        while true {
            skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw .unexpected(offset: offset) }
            let name = try string()
            skipSpace()
            guard try peek() == UInt8(ascii: ":") else { throw .unexpected(offset: offset) }
            offset += 1
            // Two readers may choose differently between repeated names, so there are none.
            guard members.updateValue(try value(depth: depth + 1), forKey: name) == nil else {
                throw .repeatedName(name)
            }
            skipSpace()
            switch try peek() {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "}"):
                offset += 1
                return .object(members)
            default: throw .unexpected(offset: offset)
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSONValue {
        offset += 1
        var items: [JSONValue] = []
        skipSpace()
        if try peek() == UInt8(ascii: "]") {
            offset += 1
            return .array(items)
        }
        while true {
            items.append(try value(depth: depth + 1))
            skipSpace()
            switch try peek() {
            case UInt8(ascii: ","): offset += 1
            case UInt8(ascii: "]"):
                offset += 1
                return .array(items)
            default: throw .unexpected(offset: offset)
            }
        }
    }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        var text: [UInt8] = []
        while true {
            let byte = try peek()
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: text, as: UTF8.self) else { throw .badUTF8 }
                return string
            case 0..<0x20: throw .unexpected(offset: offset)
            case UInt8(ascii: "\\"):
                offset += 1
                try escape(into: &text)
            default:
                text.append(byte)
                offset += 1
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        let byte = try peek()
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = UInt32(try hexUnit())
            if (0xD800..<0xDC00).contains(code) {
                guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
                    bytes[offset + 1] == UInt8(ascii: "u")
                else { throw .badEscape(offset: offset) }
                offset += 2
                let low = UInt32(try hexUnit())
                guard (0xDC00..<0xE000).contains(low) else { throw .badEscape(offset: offset) }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw .badEscape(offset: offset) }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw .badEscape(offset: offset - 1)
        }
    }

    private mutating func hexUnit() throws(JSONError) -> UInt16 {
        guard offset + 4 <= bytes.count else { throw .cutShort }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue, bytes[offset] < 0x80 else {
                throw .badEscape(offset: offset)
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let wholeStart = offset
        guard digits() > 0, offset - wholeStart == 1 || bytes[wholeStart] != UInt8(ascii: "0") else {
            throw .badNumber(offset: start)
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            guard digits() > 0 else { throw .badNumber(offset: start) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-") {
                offset += 1
            }
            guard digits() > 0 else { throw .badNumber(offset: start) }
        }
        return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset]) { offset += 1 }
        return offset - start
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes[offset...].starts(with: text.utf8) else { throw .unexpected(offset: offset) }
        offset += text.utf8.count
        return value
    }

    private mutating func skipSpace() {
        while offset < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[offset]) { offset += 1 }
    }

    private func peek() throws(JSONError) -> UInt8 {
        guard offset < bytes.count else { throw .cutShort }
        return bytes[offset]
    }
}
