/// What `TurnLoad` is asked to do: `--name value` pairs.
struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: [String]) throws(LoadError) {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else { throw .usage("\(name) wants a value") }
            values[String(name.dropFirst(2))] = value
        }
    }

    func text(_ name: String) throws(LoadError) -> String {
        guard let value = values[name] else { throw .usage("--\(name) is missing") }
        return value
    }

    func number<Number: LosslessStringConvertible>(_ name: String, _ fallback: Number) throws(LoadError) -> Number {
        guard let text = values[name] else { return fallback }
        guard let number = Number(text) else { throw .usage("--\(name) \(text): no number") }
        return number
    }

    /// `--name 1`.
    func flag(_ name: String) -> Bool { values[name] == "1" }
}

enum LoadError: Error, CustomStringConvertible {
    case usage(String)
    case system(String, Int32)
    case failed(String)

    var description: String {
        switch self {
        case .usage(let text): "usage: \(text)"
        case .system(let call, let code): "\(call): error \(code)"
        case .failed(let text): text
        }
    }
}
