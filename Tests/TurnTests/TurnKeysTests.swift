import Foundation
import ServiceKit
import Testing
import Turn

@Suite struct TurnKeysTests {
    private func problems(_ flags: String...) -> [String] {
        do throws(ConfigurationError) {
            _ = try ServiceConfiguration(keys: TurnKeys.all, flags: flags, environment: [:])
            return []
        } catch {
            return error.problems
        }
    }

    @Test(arguments: [
        ("realm", ""), ("realm", String(repeating: "r", count: 49)), ("max-lifetime", "0s"), ("nonce-age", "0s"),
        ("relay-address", "0.0.0.0"), ("relay-address", "::"), ("advertise", "turn.example.org"),
        ("advertise", "turn.example.org:0"), ("service-address", "redis"), ("service-address", "redis:0"),
    ])
    func `what would stop or mislead the server is refused as it is read`(key: String, value: String) {
        let found = problems("--\(key)=\(value)")
        #expect(found.count == 1 && found.first?.contains(key) == true, "\(found)")
    }

    @Test(arguments: [
        ("realm", String(repeating: "r", count: 48)), ("max-lifetime", "1s"),
        ("relay-address", "192.0.2.1,2001:db8::1"), ("advertise", "turn.example.org:3478,[2001:db8::1]:3478"),
        ("advertise", "turns:a.example.org:443?transport=tcp"),
        ("service-address", "redis.example.org:6379"),
    ])
    func `what is good is taken`(key: String, value: String) {
        #expect(problems("--\(key)=\(value)") == [])
    }

    @Test func `the page for operators names only flags that there are`() throws {
        let page = try String(contentsOfFile: "docs/turn.md", encoding: .utf8)
        let known = Set((TurnKeys.all + CommonKeys.all).map(\.name))
        var unknown: Set<String> = []
        for part in page.components(separatedBy: "--").dropFirst() {
            let name = String(part.prefix { $0.isLowercase || $0 == "-" })
            if !name.isEmpty, !name.hasPrefix("-"), !known.contains(name) { unknown.insert(name) }
        }
        // The first says where keys are, the second is the registry's.
        #expect(unknown == ["config", "turn-secret-file"], "docs/turn.md")
        for key in TurnKeys.all where !page.contains("--\(key.name)") {
            Issue.record("docs/turn.md does not name --\(key.name)")
        }
    }
}
