import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import software.amazon.event.ruler.JsonRuleCompiler;
import software.amazon.event.ruler.Machine;
import software.amazon.event.ruler.Patterns;
import software.amazon.event.ruler.RuleCompiler;

/**
 * event-ruler for the comparison: {@code judge CASES OUT} says of each case whether the event matches, and
 * {@code measure PATTERNS EVENTS WARM_UP_SECONDS SECONDS} says how fast many patterns are matched.
 */
public final class Ruler {
    private static final JsonFactory JSON = new JsonFactory();
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private Ruler() { }

    /** Answers with lines of JSON: into a file, or for a measurement to standard output. */
    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "judge":
                judge(Path.of(arguments[1]), Path.of(arguments[2]));
                break;
            case "measure":
                measure(Path.of(arguments[1]), Path.of(arguments[2]), Double.parseDouble(arguments[3]),
                        Double.parseDouble(arguments[4]));
                break;
            default:
                throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void judge(Path cases, Path out) throws IOException {
        try (BufferedReader lines = Files.newBufferedReader(cases, StandardCharsets.UTF_8);
                BufferedWriter answers = Files.newBufferedWriter(out, StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode given = MAPPER.readTree(line);
                ObjectNode answer = MAPPER.createObjectNode();
                judge(given, answer);
                answers.write(MAPPER.writeValueAsString(answer));
                answers.write('\n');
            }
        }
    }

    private static void judge(JsonNode given, ObjectNode answer) {
        String pattern = given.get("pattern_raw").textValue();
        String event = given.get("event_raw").textValue();
        answer.put("uncomparable", false);
        Machine machine = Machine.builder().build();
        try {
            // The compiler stops reading at the end of the first object.
            read(pattern, answer);
            machine.addRule("rule", pattern);
        } catch (Exception | StackOverflowError wrong) {
            answer.put("verdict", "invalid").put("why", "pattern: " + told(wrong));
            return;
        }
        try {
            read(event, answer);
            boolean matches = !machine.rulesForJSONEvent(event).isEmpty();
            answer.put("verdict", matches ? "match" : "nomatch");
            boolean surprising = given.get("ours").asBoolean() != matches;
            answer.put("undecided", surprising && (older(pattern, event) != matches || singly(pattern, event) != matches));
        } catch (Exception | StackOverflowError wrong) {
            answer.put("verdict", "invalid").put("why", "event: " + told(wrong));
        }
    }

    /** What it says when told to match as it did by default before 2.0. */
    private static boolean older(String pattern, String event) throws Exception {
        Machine machine = Machine.builder().withStructuredMatching(false).build();
        machine.addRule("rule", pattern);
        return !machine.rulesForJSONEvent(event).isEmpty();
    }

    /** What it says of the ways to meet the pattern, one by one, each with one alternative for each field. */
    private static boolean singly(String pattern, String event) throws Exception {
        List<Map<String, List<Patterns>>> rules;
        try {
            rules = JsonRuleCompiler.compile(pattern);
        } catch (JsonParseException compiledOtherwise) {
            rules = List.of(RuleCompiler.compile(pattern));
        }
        for (Map<String, List<Patterns>> rule : rules) {
            if (singly(new ArrayList<>(rule.keySet()), rule, new HashMap<>(), event)) {
                return true;
            }
        }
        return false;
    }

    private static boolean singly(List<String> fields, Map<String, List<Patterns>> rule,
            Map<String, List<Patterns>> chosen, String event) throws Exception {
        if (chosen.size() == fields.size()) {
            Machine machine = Machine.builder().build();
            machine.addPatternRule("rule", chosen);
            return !machine.rulesForJSONEvent(event).isEmpty();
        }
        String field = fields.get(chosen.size());
        for (Patterns alternative : rule.get(field)) {
            chosen.put(field, List.of(alternative));
            boolean matches = singly(fields, rule, chosen, event);
            chosen.remove(field);
            if (matches) {
                return true;
            }
        }
        return false;
    }

    /** Refuses what is not exactly one JSON value, and notes whether it holds numbers that event-ruler cannot compare. */
    private static void read(String text, ObjectNode answer) throws IOException {
        try (JsonParser parser = JSON.createParser(text)) {
            int depth = 0;
            do {
                JsonToken token = parser.nextToken();
                if (token == null) {
                    throw new IOException("no value, or an unfinished one");
                }
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                if (token.isNumeric() && !isComparable(parser.getText())) {
                    answer.put("uncomparable", true);
                }
            } while (depth > 0);
            if (parser.nextToken() != null) {
                throw new IOException("more than one value");
            }
        }
    }

    /** What is wrong, without the half characters that an exception's message may hold. */
    private static String told(Throwable wrong) {
        return new String(String.valueOf(wrong.getMessage()).getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    }

    private static boolean isComparable(String number) {
        try {
            Patterns.numericEquals(number);
            return true;
        } catch (IllegalArgumentException refused) {
            return false;
        }
    }

    private static void measure(Path patterns, Path events, double warmUp, double seconds) throws Exception {
        List<String> texts = Files.readAllLines(events, StandardCharsets.UTF_8);
        long start = System.nanoTime();
        Machine machine = Machine.builder().build();
        try (BufferedReader lines = Files.newBufferedReader(patterns, StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode given = MAPPER.readTree(line);
                machine.addRule(given.get("id").asText(), given.get("pattern").toString());
            }
        }
        ObjectNode told = MAPPER.createObjectNode();
        told.put("load_seconds", since(start));
        Map<String, Long> counts = new TreeMap<>();
        for (String text : texts) {
            for (String id : machine.rulesForJSONEvent(text)) {
                counts.merge(id, 1L, Long::sum);
            }
        }
        told.putPOJO("counts", counts);
        pass(machine, texts, warmUp);
        start = System.nanoTime();
        long matched = pass(machine, texts, seconds);
        told.put("events_per_second", matched / since(start));
        told.put("rss_bytes", resident());
        System.out.println(MAPPER.writeValueAsString(told));
    }

    /** Matches events, in turn, until so much time is over; answers with how many that were. */
    private static long pass(Machine machine, List<String> events, double seconds) throws Exception {
        long start = System.nanoTime();
        long done = 0;
        long matches = 0;
        while (true) {
            for (String event : events) {
                matches += machine.rulesForJSONEvent(event).size();
                done += 1;
                if (done % 256 == 0 && since(start) >= seconds) {
                    if (matches < 0) {
                        throw new AssertionError("the matching must not be optimised away");
                    }
                    return done;
                }
            }
        }
    }

    private static double since(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private static long resident() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
            }
        }
        return 0;
    }
}
