// Captions one recording through the DashScope SDK for Java (com.alibaba:dashscope-sdk-java).
//
// NOT RUN: the tests of this repository have no such SDK. They check that this file is Java, and replay byte for byte
// what the SDK sends. `Plain.java` needs no library and is run.
//
//   java -cp dashscope-sdk-java.jar:... examples/java/Sdk.java [--stream] PATH|URL
//
// Set the address of the server for the whole SDK, as here or by DASHSCOPE_HTTP_BASE_URL. The constructor
// `new MultiModalConversation("http", url)` redirects the call alone: files would still be uploaded to the cloud.

import com.alibaba.dashscope.aigc.multimodalconversation.MultiModalConversation;
import com.alibaba.dashscope.aigc.multimodalconversation.MultiModalConversationParam;
import com.alibaba.dashscope.aigc.multimodalconversation.MultiModalConversationResult;
import com.alibaba.dashscope.common.MultiModalMessage;
import com.alibaba.dashscope.common.Role;
import com.alibaba.dashscope.utils.Constants;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

class Sdk {
  public static void main(String[] arguments) throws Exception {
    boolean stream = arguments.length == 2 && arguments[0].equals("--stream");
    String given = arguments[arguments.length - 1];
    // A file becomes file:///..., with %20 for a blank; the SDK uploads it first (below 10 MB).
    String audio = given.matches("https?://.*|data:.*") ? given : Path.of(given).toUri().toString();

    Constants.baseHttpApiUrl = System.getenv().getOrDefault("DASHSCOPE_HTTP_BASE_URL", "http://127.0.0.1:8000/api/v1");
    MultiModalMessage message = MultiModalMessage.builder()
        .role(Role.USER.getValue())
        .content(List.of(Map.<String, Object>of("audio", audio)))
        .build();
    MultiModalConversationParam call = MultiModalConversationParam.builder()
        .apiKey(System.getenv().getOrDefault("DASHSCOPE_API_KEY", "any"))
        .model("qwen3-omni-30b-a3b-captioner")
        .message(message)
        .incrementalOutput(stream)
        .build();

    MultiModalConversation client = new MultiModalConversation();
    if (stream) {
      client.streamCall(call).blockingForEach(event -> System.out.print(text(event)));
      System.out.println();
    } else {
      System.out.println(text(client.call(call)));
    }
  }

  /** The words of an answer, or of an event of a stream, whose last one holds none. */
  private static String text(MultiModalConversationResult reply) {
    List<Map<String, Object>> content = reply.getOutput().getChoices().get(0).getMessage().getContent();
    return content.isEmpty() ? "" : String.valueOf(content.get(0).get("text"));
  }
}
