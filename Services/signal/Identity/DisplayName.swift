import Foundation

/// What is wrong with a name that someone wants to be called by.
package enum DisplayNameError: Error, Hashable, Sendable {
    case empty
    case tooLong(limit: Int)
    case controlCharacter
}

/// A name as people see it, and the person it stands for.
package struct DisplayName: Hashable, Sendable {
    /// Longer names do not fit a tile on a phone.
    package static let limit = 40
    /// One visible character may bear many marks; this bounds what 40 of them weigh.
    package static let byteLimit = 480

    /// Trimmed, inner spaces as they were typed.
    package let text: String

    package init(parsing text: String) throws(DisplayNameError) {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw .empty }
        guard trimmed.count <= Self.limit, trimmed.utf8.count <= Self.byteLimit else {
            throw .tooLong(limit: Self.limit)
        }
        for scalar in trimmed.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
                throw .controlCharacter
            case .format:
                // Joiners build emoji and shape Indic and Persian words; other formats (bidi overrides) only disguise.
                guard scalar.value == 0x200C || scalar.value == 0x200D else { throw .controlCharacter }
            default: break
            }
        }
        self.text = trimmed
        guard !canonical.isEmpty else { throw .empty }
    }

    /// What names that look alike have in common: compatibility forms, case, Latin-style accents and runs of spaces go.
    package var canonical: String {
        var folded = String.UnicodeScalarView()
        var spaced = false
        for scalar in text.decomposedStringWithCompatibilityMapping.lowercased().unicodeScalars {
            if scalar.properties.isWhitespace {
                spaced = !folded.isEmpty
                continue
            }
            // U+0300 to U+036F are accents; marks of other scripts make other words and stay.
            if (0x300...0x36F).contains(scalar.value) || scalar.properties.generalCategory == .format { continue }
            if spaced { folded.append(" ") }
            spaced = false
            folded.append(scalar)
        }
        return String(folded)
    }

    /// The person: 22 URL-safe characters, the same on every signal.
    package var person: String { Digest.short(canonical, length: 22) }

    /// The same name with a number, short enough.
    package func numbered(_ number: Int) -> String {
        let suffix = " \(number)"
        return String(text.prefix(Self.limit - suffix.count)) + suffix
    }
}
