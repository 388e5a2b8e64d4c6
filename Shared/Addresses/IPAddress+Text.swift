extension IPAddress: LosslessStringConvertible, CustomStringConvertible {
    /// Dotted decimal, or RFC 5952 text (shortest, lower case) without brackets; a zone is not shown.
    public var description: String {
        switch family {
        case .v4:
            return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
        case .v6:
            if isV4Mapped { return "::ffff:\(IPAddress(v4: UInt32(truncatingIfNeeded: low)))" }
            let zeros = longestRunOfZeros
            var text = ""
            var index = 0
            while index < 8 {
                if zeros.count > 1, index == zeros.lowerBound {
                    text += "::"
                    index = zeros.upperBound
                    continue
                }
                if !text.isEmpty, !text.hasSuffix("::") { text += ":" }
                text += String(group(index), radix: 16)
                index += 1
            }
            return text
        }
    }

    /// Parses dotted decimal or RFC 4291 text. Nil for anything else: no octal, no shortened IPv4, no zone, no brackets.
    public init?(_ text: String) {
        // The longest text, of an IPv6 address that ends in a dotted IPv4 one.
        guard text.utf8.count <= 45 else { return nil }
        if text.utf8.contains(UInt8(ascii: ":")) {
            self.init(v6Text: text)
        } else {
            guard let bits = IPAddress.v4Bits(Substring(text)) else { return nil }
            self.init(v4: bits)
        }
    }

    private init?(v6Text text: String) {
        var halves: [[UInt16]] = []
        let parts = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count <= 2 else { return nil }
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            guard let groups = IPAddress.groups(part, mayEndInV4: isLast) else { return nil }
            halves.append(groups)
        }
        let count = halves.reduce(0) { $0 + $1.count }
        // "::" stands for at least one group.
        guard parts.count == 2 ? count <= 7 : count == 8 else { return nil }
        let zeros = [UInt16](repeating: 0, count: 8 - count)
        let groups = parts.count == 2 ? halves[0] + zeros + halves[1] : halves[0]
        let high = groups[..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        let low = groups[4...].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
        self.init(v6High: high, low: low)
    }

    private static func groups(_ text: Substring, mayEndInV4: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInV4, index == parts.count - 1, part.utf8.contains(UInt8(ascii: ".")) {
                guard let bits = v4Bits(part) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: bits >> 16))
                groups.append(UInt16(truncatingIfNeeded: bits))
                continue
            }
            // UInt16(_:radix:) alone would take a sign.
            guard (1...4).contains(part.utf8.count), part.utf8.first != UInt8(ascii: "+"),
                let group = UInt16(part, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups
    }

    private static func v4Bits(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            // "010" is eight to some and ten to others, so it is refused.
            guard part == "0" || (part.utf8.first.map { (0x31...0x39).contains($0) } ?? false),
                let byte = UInt8(part)
            else { return nil }
            bits = bits << 8 | UInt32(byte)
        }
        return bits
    }

    private func group(_ index: Int) -> UInt16 {
        let word = index < 4 ? high : low
        return UInt16(truncatingIfNeeded: word >> (48 - UInt64(index % 4) * 16))
    }

    private var longestRunOfZeros: Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || group(index) != 0 {
            if index - start > longest.count { longest = start..<index }
            start = index + 1
        }
        return longest
    }
}
