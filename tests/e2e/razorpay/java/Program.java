// A program of the official Java client: an order, a payment without a browser, its capture and refund, and a refusal.
import com.razorpay.Order;
import com.razorpay.Payment;
import com.razorpay.RazorpayClient;
import com.razorpay.RazorpayException;
import com.razorpay.Refund;
import org.json.JSONObject;

public class Program {
    public static void main(String[] arguments) throws Exception {
        RazorpayClient client = new RazorpayClient(arguments[0], arguments[1]);
        JSONObject asked = new JSONObject().put("amount", 5000).put("currency", "INR").put("receipt", "java")
            .put("notes", new JSONObject().put("a", "b"));
        Order order = client.orders.create(asked);
        System.out.println((String) order.get("status"));
        System.out.println(client.orders.fetchAll(new JSONObject().put("count", 1)).size());
        JSONObject upi = new JSONObject().put("amount", 5000).put("currency", "INR")
            .put("order_id", (String) order.get("id")).put("method", "upi").put("vpa", "success@razorpay");
        String id = client.payments.createUpi(upi).get("razorpay_payment_id");
        Payment payment = client.payments.fetch(id);
        while (!"captured".equals(payment.get("status"))) {
            Thread.sleep(50);
            payment = client.payments.fetch(id);
        }
        System.out.println((String) payment.get("status"));
        Refund refund = client.payments.refund(id, new JSONObject().put("amount", 1000));
        System.out.println((String) refund.get("status"));
        try {
            client.payments.capture(id, new JSONObject().put("amount", 5000).put("currency", "INR"));
        } catch (RazorpayException refusal) {
            System.out.println(refusal.getMessage().contains("already been captured") ? "refused" : refusal.getMessage());
        }
    }
}
