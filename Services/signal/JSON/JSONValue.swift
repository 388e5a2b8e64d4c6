/// A JSON value as it came: numbers keep their text, so what is passed on is what was sent.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The member of an object; nil also for other kinds of value and for an explicit null.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self, let value = members[name], value != .null else { return nil }
        return value
    }

    package var string: String? { if case .string(let text) = self { text } else { nil } }
    package var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    package var array: [JSONValue]? { if case .array(let items) = self { items } else { nil } }

    /// A whole number from 0 up to what JavaScript counts exactly.
    package var count: UInt64? {
        guard case .number(let text) = self else { return nil }
        if let whole = UInt64(text) { return whole <= Self.largestExact ? whole : nil }
        guard let value = Double(text), value >= 0, value <= Double(Self.largestExact), value == value.rounded() else {
            return nil
        }
        return UInt64(value)
    }

    /// 2^53 - 1: `Number.MAX_SAFE_INTEGER`.
    private static let largestExact: UInt64 = (1 << 53) - 1

    /// A number.
    package static func int(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

    /// The text, UTF-8.
    package var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }
}
