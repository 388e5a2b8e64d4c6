import Bus
import Foundation
import Logging
import ServiceKit
import Testing

/// A fresh folder that goes away with the test.
private func inFolder(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("kit-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}

private func lines(_ path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
}

private func logger(_ sink: LogSink, _ format: LogFormat, level: Logger.Level = .info) -> Logger {
    Logger(label: "test") {
        RoostLogHandler(label: $0, instance: "sfu-1", format: format, level: level, sink: sink)
    }
}

@Test(arguments: [
    (0, "1970-01-01T00:00:00.000Z"), (951_827_696_789, "2000-02-29T12:34:56.789Z"),
    (1_709_251_199_999, "2024-02-29T23:59:59.999Z"), (1_795_556_461_007, "2026-11-24T21:41:01.007Z"),
    (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
])
func `times are written as RFC 3339 has them`(milliseconds: Int64, expected: String) {
    #expect(formatTime(milliseconds: milliseconds) == expected)
}

@Test func `a log line bears level, instance, fields and the call id`() throws {
    try inFolder { folder in
        let sink = try LogSink(path: "\(folder)/log")
        let logger = logger(sink, .human)

        CallID.$current.withValue("c-1") {
            logger.warning("room closed", metadata: ["room": "r 1", "reason": "empty"])
        }
        logger.debug("not written")

        let found = try lines("\(folder)/log")
        #expect(found.count == 1)
        #expect(found[0].hasSuffix(#"Z warning sfu-1 room closed call-id=c-1 reason=empty room="r 1""#))
    }
}

@Test func `a stranger's text cannot forge log lines`() throws {
    try inFolder { folder in
        let sink = try LogSink(path: "\(folder)/log")

        logger(sink, .human).info("said", metadata: ["text": "a\n2026 error \u{1B}[31m"])
        logger(sink, .json).info("said", metadata: ["text": "a\"\n"])

        let found = try lines("\(folder)/log")
        #expect(found.count == 2)
        #expect(found[0].hasSuffix(#"said text="a\n2026 error \u001b[31m""#))
        let object = try JSONDecoder().decode([String: String].self, from: Data(found[1].utf8))
        #expect(object["text"] == "a\"\n")
        #expect(object["level"] == "info")
        #expect(object["instance"] == "sfu-1")
    }
}

@Test func `a moved log file is opened anew`() throws {
    try inFolder { folder in
        let sink = try LogSink(path: "\(folder)/log")
        let logger = logger(sink, .human)
        logger.info("one")
        try FileManager.default.moveItem(atPath: "\(folder)/log", toPath: "\(folder)/log.1")

        logger.info("two")
        try sink.reopen()
        logger.info("three")

        #expect(try lines("\(folder)/log.1").map { $0.split(separator: " ").last } == ["one", "two"])
        #expect(try lines("\(folder)/log").map { $0.split(separator: " ").last } == ["three"])
    }
}

@Test func `a log file that cannot be opened is named`() {
    #expect(
        performing: { _ = try LogSink(path: "/nowhere/log") },
        throws: { "\($0)".hasPrefix("cannot open log file /nowhere/log: no such file or directory.") })
}

@Test func `a run folder is made for its owner alone and written at once`() throws {
    try inFolder { folder in
        let run = try RunFolder(preparing: "\(folder)/a/b/", key: "run-dir")

        try run.write("x.admin", "127.0.0.1:1\n")

        let mode = try FileManager.default.attributesOfItem(atPath: run.path)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        #expect(try FileManager.default.contentsOfDirectory(atPath: run.path) == ["x.admin"])
        #expect(try lines(run.file("x.admin")) == ["127.0.0.1:1"])
        run.remove("x.admin")
        #expect(try FileManager.default.contentsOfDirectory(atPath: run.path) == [])
    }
}

@Test func `a run folder in the way of a file is refused with what to do`() throws {
    try inFolder { folder in
        _ = FileManager.default.createFile(atPath: "\(folder)/file", contents: nil)

        #expect(
            performing: { _ = try RunFolder(preparing: "\(folder)/file/run", key: "run-dir") },
            throws: {
                "\($0)".hasPrefix("cannot write run folder \(folder)/file/run: not a directory.")
                    && "\($0)".contains("--run-dir")
            })
    }
}

@Test func `one name is held once in a folder, and freed with its holder`() throws {
    try inFolder { path in
        let folder = try RunFolder(preparing: path, key: "run-dir")
        func hold() throws {
            let held = try ProcessFile("sfu-1", in: folder, advice: "Stop it.")
            #expect(
                performing: { _ = try ProcessFile("sfu-1", in: folder, advice: "Stop it.") },
                throws: {
                    "\($0)"
                        == "sfu-1 already runs in \(path) (process \(ProcessInfo.processInfo.processIdentifier)). Stop it."
                })
            extendLifetime(held)
        }

        try hold()
        try hold()
    }
}
