/// The keys as text: `--help`, and the table in `docs/configuration.md`.
enum KeyTable {
    static func help(kind: String, summary: String, own: [any AnyConfigurationKey]) -> String {
        var out = "\(kind): \(summary)\n\nUsage: \(kind) [--KEY VALUE]… [--config FILE] [--check]\n"
        out +=
            "Each key may also stand in the environment (ROOST_KEY) or in the JSON file; flags win, then the environment.\n\n"
        out += "  --config FILE\n      JSON file with keys as below. Also ROOST_CONFIG.\n"
        out += "  --check\n      Validate the configuration and exit.\n"
        out += "  --version\n      Say which Roost this is and exit.\n"
        for key in own + CommonKeys.all {
            let fallback = key.shownDefault.map { $0.isEmpty ? "" : " Default: \($0)." } ?? " Required."
            out += "  --\(key.name) \(key.placeholder)\n      \(key.help)\(fallback)\n"
        }
        return out
    }

    static func markdown(title: String, summary: String, keys: [any AnyConfigurationKey]) -> String {
        var out = "## \(title)\n\n\(summary)\n"
        guard !keys.isEmpty else { return out }
        out += "\n| flag and file key | environment | value | default | meaning |\n| --- | --- | --- | --- | --- |\n"
        for key in keys {
            let fallback = key.shownDefault.map { $0.isEmpty ? "–" : "`\(cell($0))`" } ?? "required"
            out +=
                "| `\(key.name)` | `\(key.environmentName)` | `\(cell(key.placeholder))` | \(fallback) | \(cell(key.help)) |\n"
        }
        return out
    }

    private static func cell(_ text: String) -> String { text.replacing("|", with: "\\|") }
}
