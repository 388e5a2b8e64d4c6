import TURN
import Testing
import Time

struct TimeLimitedCredentialTests {
    let now = WallTime(milliseconds: 1_700_000_000_500)

    func secret(_ text: String = "north") throws -> SharedSecret { try #require(SharedSecret(text)) }

    /// Computed by `printf '1700003600:ann' | openssl dgst -sha1 -hmac north -binary | base64`.
    @Test func `a credential is what openssl computes`() throws {
        let credential = TimeLimitedCredential(
            user: "ann", expires: WallTime(milliseconds: 1_700_003_600_999), secret: try secret())

        #expect(credential.username == "1700003600:ann")
        #expect(credential.password == "TwqKCcbzejRFa1sgGqGS7SEzCGg=")
        #expect(
            TimeLimitedCredential.password(of: "1700003600", secret: try secret("\u{e9}"))
                == "uNEleLbF8QMsm3lXtK0NDTwrQxE=")
    }

    @Test func `either of two secrets verifies`() throws {
        let expires = WallTime(milliseconds: 1_700_003_600_000)
        let secrets = [try secret("new"), try secret("old")]

        for text in ["new", "old"] {
            let made = TimeLimitedCredential(user: "ann:phone", expires: expires, secret: try secret(text))
            #expect(
                try TimeLimitedCredential.verify(
                    username: made.username, password: made.password, secrets: secrets, now: now)
                    == TimeLimitedUsername(user: "ann:phone", expires: expires))
        }
    }

    @Test func `a wrong password, secret or name is refused`() throws {
        let made = TimeLimitedCredential(
            user: "ann", expires: WallTime(milliseconds: 1_700_003_600_000), secret: try secret())
        func verify(_ username: String, _ password: String, _ secret: String = "north") throws -> Bool {
            _ = try TimeLimitedCredential.verify(
                username: username, password: password, secrets: [try self.secret(secret)], now: now)
            return true
        }

        #expect(try verify(made.username, made.password))
        for (username, password, secret) in [
            (made.username, made.password, "south"), (made.username, String(made.password.dropLast()), "north"),
            (made.username, "", "north"), ("1700003601:ann", made.password, "north"),
            ("1700003600:bob", made.password, "north"), (made.username, String(made.password.reversed()), "north"),
        ] {
            #expect(throws: CredentialError.wrongPassword) { try verify(username, password, secret) }
        }
    }

    @Test func `no secret verifies nothing`() {
        #expect(throws: CredentialError.wrongPassword) {
            try TimeLimitedCredential.verify(username: "1700003600:ann", password: "", secrets: [], now: now)
        }
        #expect(SharedSecret("") == nil)
    }

    @Test func `it ends at the second it states`() throws {
        let name = "1700000001:ann"
        let end = WallTime(milliseconds: 1_700_000_001_000)

        #expect(
            try TimeLimitedCredential.check(username: name, now: WallTime(milliseconds: end.milliseconds - 1)).user
                == "ann")
        #expect(throws: CredentialError.expired(end)) {
            try TimeLimitedCredential.check(username: name, now: end)
        }
    }

    @Test(arguments: [
        "", "ann", ":ann", "-1:ann", "+1:ann", " 1:ann", "1 :ann", "1x", "1234567890123:ann", "\u{661}:ann",
    ])
    func `a name that does not begin with a time is refused`(name: String) {
        #expect(TimeLimitedUsername(name) == nil)
        #expect(throws: CredentialError.malformedUsername) {
            try TimeLimitedCredential.check(username: name, now: now)
        }
    }

    @Test(arguments: ["1700003600", "1700003600:", "1700003600:a:b", "999999999999:\u{30DE}"])
    func `a name taken apart and put together is the same`(name: String) {
        #expect(TimeLimitedUsername(name)?.text == name)
    }

    @Test func `a secret is never shown`() throws {
        let secret = try secret("north")

        #expect("\(secret)" == "(secret)")
        #expect(String(reflecting: secret) == "(secret)")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("north"))
        #expect(!dumped.contains("\(Array("north".utf8)[0])"))
    }
}
