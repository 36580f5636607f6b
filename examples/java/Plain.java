// Captions one recording with the JDK alone (17 or later), streamed over the OpenAI protocol; no library.
//
//   java examples/java/Plain.java https://example.com/birds.mp3   the server fetches it
//   java examples/java/Plain.java birds.mp3                       a file, sent as base64 (below 7.8 MB)
//
// The server is the one of OPENAI_BASE_URL, else http://127.0.0.1:8000/v1. A server without keys takes any key.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

class Plain {
  // The text of a chunk, still as JSON writes it. A program with a JSON library would use that.
  private static final Pattern CONTENT = Pattern.compile("\"content\":\"((?:[^\"\\\\]|\\\\.)*)\"");
  private static final Pattern ESCAPE = Pattern.compile("\\\\(?:u([0-9a-fA-F]{4})|(.))");

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 1) {
      System.err.println("usage: java Plain.java PATH|URL");
      System.exit(2);
    }
    String given = arguments[0];
    String data = given.matches("https?://.*")
        ? given
        : "data:;base64," + Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(given)));
    String body = """
        {"model": "qwen3-omni-30b-a3b-captioner", "stream": true, "messages": [{"role": "user", "content": [
          {"type": "input_audio", "input_audio": {"data": "%s"}}]}]}""".formatted(data);

    String base = System.getenv().getOrDefault("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1");
    HttpRequest request = HttpRequest.newBuilder(URI.create(base + "/chat/completions"))
        .header("Content-Type", "application/json")
        .header("Authorization", "Bearer " + System.getenv().getOrDefault("OPENAI_API_KEY", "any"))
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
    HttpResponse<Stream<String>> reply =
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofLines());
    if (reply.statusCode() != 200) {
      reply.body().forEach(System.err::println);
      System.exit(1);
    }
    reply.body().filter(line -> line.startsWith("data: {")).forEach(Plain::tell);
    System.out.println();
  }

  private static void tell(String line) {
    Matcher content = CONTENT.matcher(line);
    if (content.find()) {
      System.out.print(ESCAPE.matcher(content.group(1)).replaceAll(Plain::unescaped));
      System.out.flush();
    }
  }

  private static String unescaped(java.util.regex.MatchResult escape) {
    String character = escape.group(1) != null
        ? String.valueOf((char) Integer.parseInt(escape.group(1), 16))
        : switch (escape.group(2)) {
          case "n" -> "\n";
          case "t" -> "\t";
          case "r" -> "\r";
          default -> escape.group(2);
        };
    return Matcher.quoteReplacement(character);
  }
}
