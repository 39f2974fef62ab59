use tch::{Kind, Tensor};

use super::{
    Operation, Storage, Value, call, call_one, parallel, with_bounded_allocations, with_gradient,
};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

#[test]
fn operations_run_by_name_with_the_defaults_of_their_schema() {
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0]);
    let softmax = call_one("aten::softmax", "int", &[(&x).into(), Value::Int(0)]).unwrap();
    assert_eq!(numbers(&softmax), numbers(&x.softmax(0, Kind::Float)));
    let scaled = [(&x).into(), (&x).into(), Value::Float(2.0)];
    assert_eq!(
        numbers(&call_one("aten::add", "Tensor", &scaled).unwrap()),
        [3.0, 6.0, 9.0]
    );
    // One number for a list of two, a whole number for a real one.
    let image = x.reshape([1, 1, 1, 3]);
    let weight = Tensor::ones([1, 1, 1, 1], (Kind::Float, tch::Device::Cpu));
    let padded = [
        (&image).into(),
        (&weight).into(),
        Value::Default,
        Value::Default,
        Value::Int(1),
    ];
    assert_eq!(
        call_one("aten::conv2d", "", &padded).unwrap().size(),
        [1, 1, 3, 5]
    );
}

#[test]
fn lists_and_tuples_come_back() {
    let x = Tensor::arange(6, (Kind::Float, tch::Device::Cpu)).reshape([2, 3]);
    let [Value::Tensors(rows)] = &call("aten::unbind", "int", &[(&x).into()]).unwrap()[..] else {
        panic!("unbind gives a list");
    };
    assert_eq!(numbers(&rows[1]), [3.0, 4.0, 5.0]);
    let top = call("aten::max", "dim", &[(&x).into(), Value::Int(1)]).unwrap();
    assert_eq!(top.len(), 2);
    let row = Tensor::from_slice(&[1_i64]);
    let places = Value::OptionalTensors(vec![None, Some(row)]);
    let column = call_one("aten::index", "Tensor", &[(&x).into(), places]).unwrap();
    assert_eq!(numbers(&column), [1.0, 4.0]);
}

#[test]
fn autograd_sees_the_calls() {
    let x = Tensor::from_slice(&[1.0_f32, 2.0]).set_requires_grad(true);
    let y = call_one("aten::mul", "Tensor", &[(&x).into(), (&x).into()]).unwrap();
    y.sum(Kind::Float).backward();
    assert_eq!(numbers(&x.grad()), [2.0, 4.0]);
}

#[test]
fn failures_are_text() {
    let x = Tensor::from_slice(&[1.0_f32, 2.0]);
    let missing = call("aten::no_such", "", &[]).unwrap_err();
    assert!(missing.to_string().contains("aten::no_such"));
    let wrong = call(
        "aten::add",
        "Tensor",
        &[Value::Text("x".into()), (&x).into()],
    )
    .unwrap_err();
    assert!(
        wrong.to_string().contains("`self` of aten::add is String"),
        "{wrong}"
    );
    let absent = call("aten::add", "Tensor", &[(&x).into()]).unwrap_err();
    assert!(
        absent.to_string().contains("lacks its argument `other`"),
        "{absent}"
    );
    // A scalar out of range is an error here, where tch panics.
    let byte = x.to_kind(Kind::Uint8);
    let scalar = [(&byte).into(), Value::Int(i64::MAX)];
    assert!(call("aten::fill_", "Scalar", &scalar).is_err());
    assert!(super::call("aten::cat", "", &[Value::Tensors(Vec::new())]).is_err());
}

#[test]
fn schemas_say_what_is_a_view_and_what_is_written_to() {
    let schema = |name, overload| Operation::find(name, overload).unwrap().schema().unwrap();
    assert!(schema("aten::transpose", "int").is_view());
    let add = schema("aten::add_", "Tensor");
    assert_eq!(add.written(), [0]);
    assert_eq!(add.arguments[0].storage, Storage::Written);
    assert_eq!(add.arguments[2].name, "alpha");
    assert!(add.arguments[2].has_default);
    assert!(!schema("aten::gelu", "").is_view());
    let convolution = Operation::find("aten::conv2d", "").unwrap();
    let stride = &convolution.defaults().unwrap()[3];
    assert!(
        matches!(stride, Value::Ints(stride) if stride == &[1, 1]),
        "{stride:?}"
    );
}

#[test]
fn allocations_are_bounded_while_asked_for() {
    let row = Tensor::ones([1 << 12], (Kind::Float, tch::Device::Cpu));
    let outer = || call("aten::outer", "", &[(&row).into(), (&row).into()]);
    let refused = with_bounded_allocations(1 << 20, outer).unwrap_err();
    assert!(
        refused.to_string().contains("67108864 bytes at once"),
        "{refused}"
    );
    assert!(outer().is_ok());
}

#[test]
fn a_backward_pass_of_rust() {
    use std::sync::Arc;

    let held = Arc::new(());
    let x = Tensor::from_slice(&[1.0_f32, 2.0]).set_requires_grad(true);
    let step = |x: &Tensor, fails: bool| {
        let held = Arc::clone(&held);
        let backward = move |gradient: &Tensor, wanted: &[bool]| {
            let _ = &held;
            assert_eq!(wanted, [true]);
            if fails {
                Err("no gradient".to_owned())
            } else {
                Ok(vec![Some(gradient * 3.0)])
            }
        };
        with_gradient(x.detach() * 3.0, &[x], backward).unwrap()
    };
    // Twice over, and what the closure holds is free when the graph is.
    let y = step(&step(&x, false), false);
    assert_eq!(Arc::strong_count(&held), 3);
    y.sum(Kind::Float).backward();
    assert_eq!(numbers(&x.grad()), [9.0, 9.0]);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(y.sum(Kind::Float).f_backward().is_err());

    let failed = step(&x, true).sum(Kind::Float).f_backward().unwrap_err();
    assert!(failed.to_string().contains("no gradient"), "{failed}");

    // Nothing to do: the closure goes at once.
    let plain = tch::no_grad(|| step(&x, false));
    assert!(!plain.requires_grad());
    assert!(!step(&x.detach(), false).requires_grad());
    assert_eq!(Arc::strong_count(&held), 1);

    // What was changed on the way is no longer what the gradient is of.
    let mut middle = &x * 1.0;
    let y = step(&middle, false);
    let _ = middle.f_add_scalar_(1.0).unwrap();
    let failed = y.sum(Kind::Float).f_backward().unwrap_err();
    assert!(failed.to_string().contains("changed"), "{failed}");
}

#[test]
fn work_is_shared_in_order_and_panics_come_through() {
    let before = tch::get_num_threads();
    for threads in [1, 2, 5] {
        tch::set_num_threads(threads);
        let squares: Vec<usize> = (0..100).map(|number| number * number).collect();
        let numbers: Vec<usize> = (0..100).collect();
        assert_eq!(parallel(numbers.clone(), |number| number * number), squares);
        assert!(parallel(Vec::new(), |number: usize| number).is_empty());
        let panicking = || parallel(numbers.clone(), |number| assert!(number < 97, "at the end"));
        assert!(std::panic::catch_unwind(panicking).is_err());
    }
    tch::set_num_threads(before);
}
