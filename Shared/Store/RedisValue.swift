/// One reply of Redis, or a part of one.
public enum RedisValue: Hashable, Sendable {
    /// No such key, field or element.
    case null
    /// A whole number.
    case integer(Int64)
    /// A string of bytes, also a status such as `OK`.
    case bytes([UInt8])
    /// Several values in order.
    case array([RedisValue])
    /// An error inside an array; one that is the whole reply is thrown as `StoreError.refused`.
    case error(String)

    /// The value as text, if it is bytes in UTF-8 or a number.
    public var string: String? {
        switch self {
        case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
        case .integer(let number): String(number)
        case .null, .array, .error: nil
        }
    }

    /// The value as a number, if it is one or its text is one.
    public var integer: Int64? {
        switch self {
        case .integer(let number): number
        case .bytes: string.flatMap { Int64($0) }
        case .null, .array, .error: nil
        }
    }

    /// The value's raw bytes, if it is a string.
    public var bytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }

    /// The value's elements, if it is an array.
    public var array: [RedisValue]? {
        if case .array(let values) = self { values } else { nil }
    }

    /// Fields and values of a reply such as `HGETALL` gives: name, value, name, value.
    public var fields: [String: RedisValue]? {
        guard let array, array.count.isMultiple(of: 2) else { return nil }
        var fields: [String: RedisValue] = [:]
        for index in stride(from: 0, to: array.count, by: 2) {
            guard let name = array[index].string else { return nil }
            fields[name] = array[index + 1]
        }
        return fields
    }

    /// Whether there is nothing.
    public var isNull: Bool { self == .null }
}

/// One word of a command: bytes, made from text or a number.
public struct RedisArgument: Hashable, Sendable {
    /// What is sent.
    public let bytes: [UInt8]

    /// An argument of raw bytes.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    /// An argument of text.
    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }
    /// An argument that is a whole number, in decimal.
    public init(_ number: some BinaryInteger) { bytes = Array(String(number).utf8) }
}

extension RedisArgument: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral {
    /// `"GET"` as an argument.
    public init(stringLiteral value: String) { self.init(value) }
    /// `30` as an argument.
    public init(integerLiteral value: Int) { self.init(value) }
}
