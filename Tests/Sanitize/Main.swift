import Testing

/// Runs the tests that are linked into this program, as `swift test` would.
@main
struct Main {
    static func main() async { await Testing.__swiftPMEntryPoint() as Never }
}
