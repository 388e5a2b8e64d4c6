import Registry
import Testing

@Suite struct RoomReportTests {
    @Test func `only differences are told, and all of it in a new era`() {
        var report = RoomReport()

        let first = report.changes(["a": 1, "b": 1], era: "x")
        #expect(first == RoomReport.Changes(held: ["a": 1, "b": 1], isWhole: true))
        report.accepted(first, ["a": 1, "b": 1], era: "x")

        let second = report.changes(["b": 2, "c": 1], era: "x")
        #expect(second == RoomReport.Changes(held: ["b": 2, "c": 1], gone: ["a": 1]))
        report.accepted(second, ["b": 2, "c": 1], era: "x")

        #expect(report.changes(["b": 2, "c": 1], era: "x") == RoomReport.Changes())
        #expect(report.changes(["b": 2], era: "y") == RoomReport.Changes(held: ["b": 2], gone: ["c": 1], isWhole: true))
    }

    @Test func `changes that Redis did not take are told again`() {
        let report = RoomReport()
        _ = report.changes(["a": 1], era: "x")
        #expect(report.changes(["a": 1], era: "x").held == ["a": 1])
    }

    @Test func `a room that belongs elsewhere is told again, and never taken back`() {
        var report = RoomReport()
        report.accepted(report.changes(["a": 1], era: "x"), ["a": 1], era: "x")
        report.refused(["a"])

        #expect(report.changes(["a": 1], era: "x").held == ["a": 1])
        #expect(report.changes([:], era: "x").gone == [:])
    }

    @Test func `all rooms are told again before their records end`() {
        var report = RoomReport()
        var wholes = 0
        for _ in 0..<1_000 {
            let changes = report.changes(["a": 1], era: "x")
            wholes += changes.isWhole ? 1 : 0
            report.accepted(changes, ["a": 1], era: "x")
        }
        #expect((5...6).contains(wholes))
    }
}
