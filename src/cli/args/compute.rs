use clap::Args;
use tch::Device;

use super::number::{bytes, positive};
use crate::cli::{Problem, ranks};
use crate::experiment::ComputeOptions;

/// Where and how to compute.
#[derive(Debug, Args)]
pub(crate) struct ComputeArguments {
    /// Device: cpu, or cuda:N with a libtorch that has CUDA
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: String,
    /// Examples per micro-batch [default: chosen from --memory and the cache]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// Threads, which do not change the results [default: one per core]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Memory for activations, such as 500M or 2G
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = bytes)]
    pub memory: u64,
}

impl ComputeArguments {
    /// All of it, checked. Errors: a device that does not exist.
    pub fn options(&self) -> Result<ComputeOptions, Problem> {
        Ok(ComputeOptions {
            device: self.device()?,
            threads: self.threads()?,
            batch: self.batch,
            memory: self.memory,
            team: ranks::team(),
        })
    }

    /// The device to compute on. Errors: a device that does not exist.
    pub fn device(&self) -> Result<Device, Problem> {
        let refuse = |why: String| Err(Problem::BadInput(why));
        let number = match self.device.as_str() {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            other => other
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok()),
        };
        let Some(number) = number else {
            return refuse(format!(
                "unknown device `{}`; give cpu or cuda:0",
                self.device
            ));
        };
        let devices = tch::Cuda::device_count();
        if i64::try_from(number).is_ok_and(|number| number < devices) {
            Ok(Device::Cuda(number))
        } else if devices == 0 {
            refuse(format!(
                "device `{}` does not exist: this libtorch sees no CUDA device (see the README on \
                 building with a CUDA libtorch)",
                self.device
            ))
        } else {
            refuse(format!(
                "device `{}` does not exist: there are {devices}, numbered from 0",
                self.device
            ))
        }
    }

    /// How many threads each process uses. Errors: processes that cannot agree on a number.
    pub fn threads(&self) -> Result<usize, Problem> {
        ranks::threads(self.threads)
    }
}
